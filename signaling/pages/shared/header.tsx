/** The bar on top of every page: mark, page title, language, colours. */
import type { ComponentChildren } from "preact";
import { appearance, nextAppearance } from "./appearance";
import { LANGUAGES, language, setLanguage, type Language } from "./i18n";
import { Mark } from "./icons";

export interface HeaderWords {
  readonly title: string;
  readonly skip: string;
  readonly settings: {
    readonly language: string;
    readonly appearanceLabel: string;
    readonly appearance: Readonly<Record<"auto" | "light" | "dark", string>>;
  };
}

/** `children` stand between the brand and the settings. */
export function Header({ words, children }: { words: HeaderWords; children?: ComponentChildren }) {
  const { settings } = words;
  return (
    <header class="header">
      <a class="skip" href="#main">{words.skip}</a>
      <span class="brand">
        <Mark />
        <span class="brand-name">Cordboard</span>
        <span class="brand-page">{words.title}</span>
      </span>
      {children}
      <span class="header-settings">
        <button type="button" class="quiet" onClick={nextAppearance} aria-label={`${settings.appearanceLabel}: ${settings.appearance[appearance.value]}`}>
          <span class={`half-moon half-moon-${appearance.value}`} aria-hidden="true" />
          {settings.appearance[appearance.value]}
        </button>
        <select
          aria-label={settings.language}
          value={language.value}
          onChange={(event) => setLanguage(event.currentTarget.value as Language)}
        >
          {Object.entries(LANGUAGES).map(([code, name]) => (
            <option key={code} value={code} lang={code}>{name}</option>
          ))}
        </select>
      </span>
    </header>
  );
}
