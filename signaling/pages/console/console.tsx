/** /console: the operator desk. This file puts the parts on the page; each part is in its own file. */
import "../shared/theme.css";
import "../shared/transcript.css";
import "./console.css";
import { effect } from "@preact/signals";
import { render } from "preact";
import { startAppearance } from "../shared/appearance";
import { Header } from "../shared/header";
import { startLanguage } from "../shared/i18n";
import { CallList } from "./call-list";
import { CallView } from "./call-view";
import { Desk } from "./desk";
import { Help } from "./help";
import { listenToKeys } from "./keys";
import { LineStrip } from "./line-strip";
import { Banner, NoticesView } from "./notices-view";
import { callerOf } from "./saying";
import { NotAllowed, SignIn } from "./sign-in";
import { useSpeaker } from "./sound-menu";
import { TopBar } from "./top-bar";
import { words } from "./words";

function Page({ desk }: { desk: Desk }) {
  const w = words();
  const me = desk.me.value;
  const allowed = me !== null && (me.role === "operator" || me.role === "admin");
  return (
    <>
      <Header words={w}>{allowed && <TopBar desk={desk} />}</Header>
      {desk.starting.value ? (
        <main id="main" class="sign-in-page"><p class="hint">{w.loading}</p></main>
      ) : me === null ? (
        <SignIn desk={desk} />
      ) : !allowed ? (
        <NotAllowed desk={desk} />
      ) : (
        <main id="main" class="console-page" tabIndex={-1}>
          <Banner desk={desk} />
          <LineStrip desk={desk} />
          <div class="panes">
            <CallList desk={desk} />
            <CallView desk={desk} />
          </div>
          <NoticesView desk={desk} />
          <Help desk={desk} />
        </main>
      )}
    </>
  );
}

const desk = new Desk();
startLanguage();
startAppearance();
listenToKeys(desk);
desk.leg.speaker.hidden = true;
useSpeaker(desk.leg.speaker);
document.body.append(desk.leg.speaker);
effect(() => {
  const w = words();
  const rings = desk.ringing.value;
  const state = desk.me.value === null ? w.title : w.titleCalls(desk.rows.value.rows.length);
  document.title = w.documentTitle(rings === null ? state : w.titleRings(callerOf(rings)));
});
render(<Page desk={desk} />, document.getElementById("page") as HTMLElement);
void desk.start();
