import { keepComputed, shared } from "../core/api.ts";
import { texts, useText } from "../core/text.ts";
import {
  changeFlags,
  type DroppedTable,
  type KeptTable,
  keptKey,
  useDroppedTable,
} from "../fit/droppedTable.ts";
import { FitAnswer } from "../fit/fitAnswer.tsx";
import { FitControls } from "../fit/fitControls.tsx";
import { commandOf } from "../fit/fitFlags.ts";
import { TableDrop } from "../fit/tableDrop.tsx";
import { useFit } from "../fit/useFit.ts";
import { pageRow } from "./pageRow.ts";

const words = texts({
  en: { title: "Fit a table", same: "The same in a terminal:" },
  zh: { title: "拟合表格", same: "在终端中得到同样的结果：" },
});

function Fitted({ table, flags }: DroppedTable) {
  const t = useText(words);
  const fitted = useFit(table, flags);
  const names = table.files.map(({ name }) => name);
  keepComputed(keptKey, { id: table.id, names, flags } satisfies KeptTable);
  return (
    <>
      <h2>{table.name}</h2>
      {shared === null && (
        <FitControls flags={flags} columns={fitted.outcome?.columns ?? []} onChange={changeFlags} />
      )}
      <p class="quiet">
        {t.same} <code>{commandOf(names, flags)}</code>
      </p>
      <FitAnswer fitted={fitted} name={table.name} />
    </>
  );
}

/** A table of runs of the reader's own, which never leaves the browser. */
function Fit() {
  const t = useText(words);
  const dropped = useDroppedTable();
  return (
    <>
      <h1>{t.title}</h1>
      <TableDrop />
      {dropped !== null && <Fitted key={dropped.table.id} {...dropped} />}
    </>
  );
}

export const fitPage = pageRow({
  path: "/fit",
  title: { en: words.en.title, zh: words.zh.title },
  isListed: true,
  Page: Fit,
});
