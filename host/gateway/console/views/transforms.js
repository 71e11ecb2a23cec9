// Transforms: the chain as it runs, or the page of one of them.
import { html } from "../lib/ui.js";
import { TransformList } from "./transforms/list.js";
import { TransformPage } from "./transforms/page.js";

export default function Transforms({ path: [name], query }) {
  return name ? html`<${TransformPage} key=${name} name=${name} query=${query} />` : html`<${TransformList} query=${query} />`;
}
