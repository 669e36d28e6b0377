// Before the first paint: the theme that was chosen here. A classic script, so that nothing flashes.
try {
  const theme = localStorage.getItem("interlock-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch { /* no storage: as the system has it */ }
