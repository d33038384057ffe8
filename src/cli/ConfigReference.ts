/** The configuration reference page, written from the settings themselves. */
import { fileVariable } from "../runtime/Environment.ts"
import type { Setting } from "../runtime/Setting.ts"
import { liveNames } from "../LiveSettings.ts"
import { areas, outdated } from "../Settings.ts"

const cell = (text: string): string => text.replaceAll("|", "\\|")

const notes = (setting: Setting<unknown>): string => {
  const aliases = setting.aliases.map((name) => ` Alias: \`${name}\`.`).join("")
  const file = setting.inFile
    ? ` ${setting.secret ? "Secret: may" : "May"} come from a file named by \`${fileVariable(setting.name)}\`.`
    : ""
  const accepts = `${setting.accepts.charAt(0).toUpperCase()}${setting.accepts.slice(1)}`
  return `${setting.about}${aliases}${file} *${accepts}.*`
}

const row = (setting: Setting<unknown>): string => {
  const fallback = setting.defaultText.startsWith("(")
    ? setting.defaultText.slice(1, -1)
    : `\`${setting.defaultText}\``
  return `| \`${setting.name}\` | ${cell(fallback)} | ${cell(notes(setting))} |`
}

/** The whole page, in Markdown. */
export const page = (): string => {
  const tables = areas.map(({ title, settings }) =>
    [
      `## ${title}`,
      "",
      "| Variable | Default | Meaning and accepted values |",
      "| --- | --- | --- |",
      ...Object.values(settings).map(row)
    ].join("\n")
  )
  return `# Configuration

<!-- Written by \`node ops/dev/write-config-reference.ts\` from the settings in src/; a test compares the two. -->

The node reads its whole configuration from the environment, once, when it starts. An empty value counts as unset. Whatever cannot be used is reported together, one line a mistake, and the node ends with exit code 78. \`dnsmesh-node check-config\` does the same without starting and prints what is in effect.

Every secret may instead come from a file, and so may lists that say so, an item a line: \`NAME_FILE\` holds its path. Setting both is a mistake, and so is a file that cannot be read or is empty. One file is created when it does not exist: that of \`DMP_OPERATOR_TOKEN_FILE\`, with a new token, readable by the node alone. Where two names of one setting are set, the first one counts and a warning is logged. A \`DMP_\` variable that the node does not know earns a warning with the name that was probably meant.

Files are looked at every five seconds, and at SIGHUP. These settings take effect at once when their file has changed: ${liveNames.map((name) => `\`${name}\``).join(", ")}. The log says what has changed; a file that cannot be used changes nothing, and of other settings it says that they wait for the next start.

${tables.join("\n\n")}

## Without effect

Known from older nodes, deployment scripts or their documentation, and ignored: ${outdated.map((name) => `\`${name}\``).join(", ")}.
`
}
