// Runs before the page is painted, so that nobody sees the other theme flash.
"use strict";
{
  const chosen = localStorage.getItem("tenement.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
}
