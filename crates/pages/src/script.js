// Comforts that pages can do without.
"use strict";

// Times in the reader's own zone; the page itself has them in UTC.
for (const time of document.querySelectorAll("time[datetime]")) {
  const moment = new Date(time.dateTime);
  if (!Number.isNaN(moment.getTime())) {
    time.title = time.textContent;
    time.textContent = moment.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
  }
}

// While something runs, the page looks again, unless somebody is about to write or has gone elsewhere.
const seconds = Number(document.body.dataset.refresh);
if (seconds > 0) {
  const again = () => {
    const busy = document.hidden || document.activeElement?.matches("input, select, textarea");
    if (busy) setTimeout(again, seconds * 1000);
    else location.reload();
  };
  setTimeout(again, seconds * 1000);
}
