/** A button that stays in the page when it cannot be used, so that the focus does not fall off it. */
import type { ComponentChildren } from "preact";

export interface ActionProps {
  readonly onPress: () => void;
  readonly children: ComponentChildren;
  /** go, stop, plain */
  readonly look?: "go" | "stop" | "plain";
  readonly disabled?: boolean;
  readonly pressed?: boolean;
  readonly expanded?: boolean;
  /** The key that does the same, shown small. */
  readonly hotkey?: string;
  readonly name?: string;
  readonly type?: "button" | "submit";
}

export function Action({ onPress, children, look = "plain", disabled = false, pressed, expanded, hotkey, name, type = "button" }: ActionProps) {
  return (
    <button
      type={type}
      class={`action action-${look}`}
      aria-disabled={disabled}
      {...(pressed === undefined ? {} : { "aria-pressed": pressed })}
      {...(expanded === undefined ? {} : { "aria-expanded": expanded })}
      {...(hotkey === undefined ? {} : { "aria-keyshortcuts": hotkey })}
      {...(name === undefined ? {} : { "data-action": name })}
      onClick={() => !disabled && onPress()}
    >
      {children}
      {hotkey !== undefined && <kbd aria-hidden="true">{hotkey}</kbd>}
    </button>
  );
}
