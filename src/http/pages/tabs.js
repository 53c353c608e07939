// Tabs as the ARIA Authoring Practices describe them: one is in the order of Tab, arrows go to the next.

/** Starts the tabs in `list`; `opened` is called with the panel that a tab opens. */
export function start(list, opened) {
  const tabs = [...list.querySelectorAll('[role=tab]')];
  const open = (tab) => {
    for (const other of tabs) mark(other, other === tab);
    opened(panelOf(tab));
  };
  for (const tab of tabs) tab.addEventListener('click', () => open(tab));
  list.addEventListener('keydown', (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(tabs.indexOf(event.target) + step + tabs.length) % tabs.length];
    next.focus();
    open(next);
  });
}

function mark(tab, isOpen) {
  tab.setAttribute('aria-selected', String(isOpen));
  tab.tabIndex = isOpen ? 0 : -1;
  panelOf(tab).hidden = !isOpen;
}

function panelOf(tab) {
  return document.getElementById(tab.getAttribute('aria-controls'));
}
