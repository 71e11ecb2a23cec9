// The charge points: the list, or the page of one.
import { html } from "../lib/ui.js";
import { ChargePointList } from "./charge-points/list.js";
import { ChargePoint } from "./charge-points/one.js";

export default function View({ path, query }) {
  return path.length ? html`<${ChargePoint} key=${path[0]} id=${path[0]} query=${query} />` : html`<${ChargePointList} query=${query} />`;
}
