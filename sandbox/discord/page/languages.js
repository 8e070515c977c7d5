/** The languages that Discord's client speaks, and the texts of commands in them. https://discord.com/developers/docs/reference#locales */

export const LANGUAGES = [
  ["en-US", "English, US"], ["en-GB", "English, UK"], ["bg", "български"], ["cs", "Čeština"], ["da", "Dansk"], ["de", "Deutsch"],
  ["el", "Ελληνικά"], ["es-ES", "Español"], ["es-419", "Español, LATAM"], ["fi", "Suomi"], ["fr", "Français"], ["hi", "हिन्दी"],
  ["hr", "Hrvatski"], ["hu", "Magyar"], ["id", "Bahasa Indonesia"], ["it", "Italiano"], ["ja", "日本語"], ["ko", "한국어"],
  ["lt", "Lietuviškai"], ["nl", "Nederlands"], ["no", "Norsk"], ["pl", "Polski"], ["pt-BR", "Português do Brasil"], ["ro", "Română"],
  ["ru", "Русский"], ["sv-SE", "Svenska"], ["th", "ไทย"], ["tr", "Türkçe"], ["uk", "Українська"], ["vi", "Tiếng Việt"],
  ["zh-CN", "中文"], ["zh-TW", "繁體中文"],
];

/** A name or description in the person's language, if the bot provides it. */
export function inLanguage(thing, key, locale) {
  return thing[`${key}_localizations`]?.[locale] ?? thing[key];
}

/** An option with localised `label`, description and names of choices. `name` stays as it is on the wire. */
export function shownOption(option, locale) {
  return {
    ...option,
    label: inLanguage(option, "name", locale),
    description: inLanguage(option, "description", locale),
    choices: option.choices?.map((choice) => shownChoice(choice, locale)),
  };
}

export const shownChoice = (choice, locale) => ({ ...choice, name: inLanguage(choice, "name", locale) });
