import { useEffect, useState } from "preact/hooks";
import { shared } from "../core/api.ts";
import { texts, useText } from "../core/text.ts";
import { dropTable } from "./droppedTable.ts";

const words = texts({
  en: {
    choose: "Open a table of runs",
    drop: "or drop it on this page: CSV, TSV, JSON or JSON lines, also with gzip. It stays in this browser: nothing is uploaded.",
    here: "Drop it to fit it",
  },
  zh: {
    choose: "打开训练结果表",
    drop: "或拖放到此页面：CSV、TSV、JSON 或 JSON lines，可经 gzip 压缩。文件只留在此浏览器中，不会上传。",
    here: "松开即可拟合",
  },
});

const place = "#/fit";

function take(files: FileList | null): void {
  dropTable([...(files ?? [])]);
  if (location.hash !== place) location.hash = place;
}

/** A button for a table of the reader's own; one that is dropped anywhere on the page is taken as well. Both lead to its fit. */
export function TableDrop() {
  const t = useText(words);
  const [isOver, setOver] = useState(false);
  useEffect(() => {
    if (shared !== null) return;
    const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") === true;
    const over = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      // Else the browser would leave the page for the file.
      event.preventDefault();
      setOver(true);
    };
    const leave = (event: DragEvent) => {
      if (event.relatedTarget === null) setOver(false);
    };
    const drop = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      setOver(false);
      take(event.dataTransfer!.files);
    };
    addEventListener("dragover", over);
    addEventListener("dragleave", leave);
    addEventListener("drop", drop);
    return () => {
      removeEventListener("dragover", over);
      removeEventListener("dragleave", leave);
      removeEventListener("drop", drop);
    };
  }, []);
  if (shared !== null) return null;
  return (
    <div class={isOver ? "drop over" : "drop"}>
      <label>
        {t.choose}{" "}
        <input
          type="file"
          multiple
          onChange={(event) => {
            take(event.currentTarget.files);
            // The same file can be chosen again, when it was changed.
            event.currentTarget.value = "";
          }}
        />
      </label>{" "}
      <span class="quiet">{isOver ? t.here : t.drop}</span>
    </div>
  );
}
