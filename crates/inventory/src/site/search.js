// Looks through `entries` ([name, page, words]) while somebody types.
const box = document.getElementById("search");
const list = document.getElementById("found");
const status = document.getElementById("found-status");
const MOST = 50;

if (box && list && status) {
  box.closest("form").hidden = false;
  box.closest("form").addEventListener("submit", (event) => event.preventDefault());
  const find = () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    list.replaceChildren();
    if (words.length === 0) {
      status.textContent = "";
      return;
    }
    const hits = entries.filter(([name, , text]) => {
      const all = (name + " " + text).toLowerCase();
      return words.every((word) => all.includes(word));
    });
    for (const [name, page, text] of hits.slice(0, MOST)) {
      const item = document.createElement("li");
      const link = document.createElement("a");
      link.href = page;
      link.textContent = name;
      item.append(link);
      if (text) item.append(" " + text);
      list.append(item);
    }
    const more = hits.length > MOST ? `, the first ${MOST} are shown` : "";
    status.textContent = hits.length === 1 ? "1 found" : `${hits.length} found${more}`;
  };
  box.addEventListener("input", find);
  find();
}
