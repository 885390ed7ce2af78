// Before the first paint: the plain tables give way, and the colours are those chosen before.
document.documentElement.classList.add("js");
try {
  const theme = localStorage.getItem("nasalogs-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // As the system has it, then.
}
