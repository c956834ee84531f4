// Sets the chosen theme before the first paint; without a choice the system's stands.
try {
  const chosen = localStorage.getItem('campanile.theme');
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
} catch { /* storage may be switched off */ }
