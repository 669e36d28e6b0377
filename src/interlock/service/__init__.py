"""What happens: one async function per use case, each of which loads, decides and commits. Awaits ports only."""
