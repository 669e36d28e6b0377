"""What the embedded store promises beyond the port: survival of crashes, power cuts, full disks, other processes."""
