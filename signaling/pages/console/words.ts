/** The console's words in the language of the moment. */
import { speak, type Dictionary } from "../shared/i18n";
import { en, type Words } from "./words.en";
import { ja } from "./words.ja";

export const DICTIONARY: Dictionary<Words> = { en, ja };

export function words(): Words {
  return speak(DICTIONARY);
}
