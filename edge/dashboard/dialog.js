// Questions before something is done, and words about what came of it.
import { h } from "./dom.js";

// ask shows a question with one button that does it. fields are [{name, label,
// value, type, …}]; do gets their values, and an error of its stays in the dialog.
export function ask({ title, text, button, danger, fields = [], act }) {
  const back = document.activeElement;
  const wrong = h("p.wrong", { role: "alert" });
  const inputs = fields.map((f) => h("input", { ...f, label: null, id: "ask-" + f.name, required: true, autocomplete: "off" }));
  const doing = h(danger ? "button.danger" : "button.primary", { type: "submit" }, button);
  const cancel = h("button", { type: "button", onclick: () => dialog.close() }, "Cancel");
  const form = h("form", { method: "dialog", onsubmit: submit },
    h("h2", { id: "ask-title" }, title), h("p", {}, text),
    ...fields.map((f, i) => h("label", { for: "ask-" + f.name }, f.label, inputs[i])),
    wrong, h("div.buttons", {}, cancel, doing));
  const dialog = h("dialog", { "aria-labelledby": "ask-title", onclose: () => { dialog.remove(); if (back && back.isConnected) back.focus(); } }, form);

  async function submit(event) {
    event.preventDefault();
    doing.disabled = true;
    doing.setAttribute("aria-busy", "true");
    wrong.textContent = "";
    try {
      const said = await act(Object.fromEntries(fields.map((f, i) => [f.name, inputs[i].value])));
      dialog.close();
      if (said) toast(said);
    } catch (err) {
      wrong.textContent = err.message;
    } finally {
      doing.disabled = false;
      doing.removeAttribute("aria-busy");
    }
  }

  document.body.append(dialog);
  dialog.showModal();
  (inputs[0] || (danger ? cancel : doing)).focus();
  if (inputs[0]) inputs[0].select();
}

// toast says what was done, for a while.
export function toast(text) {
  const el = h("p", {}, text);
  document.getElementById("toasts").append(el);
  setTimeout(() => el.remove(), 6000);
}
