/**
 * Which language the page speaks, and how a page gets its words.
 *
 * A dictionary is one typed object per language. English is the shape, the others are declared to have
 * it, so a string that is missing (or misspelt) in one of them does not compile.
 */
import { effect, signal } from "@preact/signals";

export const LANGUAGES = { en: "English", ja: "日本語" } as const;
export type Language = keyof typeof LANGUAGES;
export type Dictionary<Words> = Readonly<Record<Language, Words>>;

const REMEMBERED = "cordboard.language";

/** The first language among `wishes` that we speak ("ja-JP" counts as "ja"), else English. */
export function chooseLanguage(wishes: readonly (string | null | undefined)[]): Language {
  for (const wish of wishes) {
    const code = wish?.toLowerCase().split(/[-_]/)[0];
    if (code !== undefined && code in LANGUAGES) return code as Language;
  }
  return "en";
}

export const language = signal<Language>("en");

/** Reads `?lang`, then what was chosen last time, then the browser; keeps `<html lang>` in step. */
export function startLanguage(): void {
  const asked = new URLSearchParams(location.search).get("lang");
  language.value = chooseLanguage([asked, localStorage.getItem(REMEMBERED), ...navigator.languages]);
  effect(() => {
    document.documentElement.lang = language.value;
  });
}

/** The reader's own choice: remembered, and written into the address so that the link can be shared. */
export function setLanguage(chosen: Language): void {
  language.value = chosen;
  localStorage.setItem(REMEMBERED, chosen);
  const address = new URL(location.href);
  address.searchParams.set("lang", chosen);
  history.replaceState(null, "", address);
}

/** The words of `dictionary` in the language of the moment; reading it in a component follows changes. */
export function speak<Words>(dictionary: Dictionary<Words>): Words {
  return dictionary[language.value];
}
