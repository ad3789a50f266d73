/** Line icons, drawn on 24 × 24 in the colour of their text. Always beside words, so hidden from readers. */
import type { ComponentChildren } from "preact";

function icon(children: ComponentChildren) {
  return function Icon() {
    return (
      <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
        {children}
      </svg>
    );
  };
}

export const PhoneIcon = icon(
  <path class="filled" d="M6.2 3.5h2.6c.5 0 .9.3 1 .8l.9 3.4c.1.4 0 .8-.3 1.1L8.6 10.6a12.6 12.6 0 0 0 4.8 4.8l1.8-1.8c.3-.3.7-.4 1.1-.3l3.4.9c.5.1.8.5.8 1v2.6c0 1.5-1.2 2.7-2.7 2.7C10.5 20.5 3.5 13.5 3.5 6.2c0-1.5 1.2-2.7 2.7-2.7Z" />,
);
export const HangUpIcon = icon(
  <path class="filled" d="M2.9 14.6 2.4 13c-.2-.6 0-1.2.4-1.6C5.3 9.3 8.5 8.2 12 8.2s6.7 1.1 9.2 3.2c.4.4.6 1 .4 1.6l-.5 1.6c-.2.6-.8 1-1.4.9l-3.1-.5c-.6-.1-1-.6-1-1.2v-1.7a13 13 0 0 0-7.2 0v1.7c0 .6-.4 1.1-1 1.2l-3.1.5c-.6.1-1.2-.3-1.4-.9Z" />,
);
export const MicIcon = icon(
  <>
    <rect x="9" y="3" width="6" height="11" rx="3" />
    <path d="M5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3" />
  </>,
);
export const MicOffIcon = icon(
  <>
    <path d="M15 9.5V6a3 3 0 0 0-5.8-1.1M9 9v2a3 3 0 0 0 4.6 2.5M5.5 11.5a6.5 6.5 0 0 0 10.2 5.3M18.5 11.5a6.5 6.5 0 0 1-.6 2.7M12 18v3M4 4l16 16" />
  </>,
);
export const KeypadIcon = icon(
  <>
    {[6, 12, 18].flatMap((y) =>
      [6, 12, 18].map((x) => <circle key={`${x} ${y}`} class="filled" cx={x} cy={y} r="1.7" />),
    )}
  </>,
);
export const WarningIcon = icon(<path d="M12 4 2.8 19.5h18.4L12 4ZM12 10v4.5M12 17v.2" />);
export const SoundIcon = icon(
  <path d="M4 9.5v5h3.5L12 18.5v-13L7.5 9.5H4ZM15.5 9a4.2 4.2 0 0 1 0 6M18 6.5a7.8 7.8 0 0 1 0 11" />,
);
export const ToolIcon = icon(
  <path d="M14.5 6.5a4 4 0 0 1 5-2.3l-2.6 2.6.4 2 2 .4 2.3-2.4a4 4 0 0 1-5.3 4.9L9 19a2.1 2.1 0 0 1-3-3l7.3-7.3a4 4 0 0 1 1.2-2.2Z" />,
);
export const PersonIcon = icon(
  <>
    <circle cx="12" cy="8" r="3.8" />
    <path d="M4.5 20.5c.8-4 3.8-6.2 7.5-6.2s6.7 2.2 7.5 6.2" />
  </>,
);
export const AgentIcon = icon(
  <>
    <path d="M4 13.5v-1.5a8 8 0 0 1 16 0v1.5" />
    <rect x="3" y="13" width="4" height="6" rx="1.7" />
    <rect x="17" y="13" width="4" height="6" rx="1.7" />
    <path d="M19 19c0 1.5-1.5 2.3-4.5 2.3" />
  </>,
);

export const PauseIcon = icon(<path d="M9 5.5v13M15 5.5v13" />);
export const PlayIcon = icon(<path class="filled" d="M8 5.2v13.6c0 .8.9 1.2 1.5.8l9.6-6.8c.6-.4.6-1.2 0-1.6L9.5 4.4C8.9 4 8 4.4 8 5.2Z" />);
export const ReturnIcon = icon(<path d="M9 6.5 4 11.5l5 5M4.5 11.5H15a5 5 0 0 1 0 10h-2" transform="translate(0 -2)" />);
export const EarIcon = icon(
  <path d="M7 9.5a5.2 5.2 0 0 1 10.4 0c0 3.6-3.4 4.4-3.4 7.6 0 1.9-1.3 3.4-3.2 3.4-1.7 0-2.8-1.1-3.1-2.6M10 10a2.2 2.2 0 1 1 3.6 1.7c-1 .8-1.5 1.4-1.6 2.3" />,
);
export const WhisperIcon = icon(<path d="M4.5 5.5h15v10.5h-8L7 19.5V16H4.5V5.5ZM8.5 10.8h.2M12 10.8h.2M15.5 10.8h.2" />);
export const PeopleIcon = icon(
  <path d="M9 11.5a3.3 3.3 0 1 0 0-6.6 3.3 3.3 0 0 0 0 6.6ZM3 19.5c.5-3.4 2.8-5.2 6-5.2s5.5 1.8 6 5.2M15.5 5.2a3.2 3.2 0 0 1 0 6M17.2 14.6c2.2.6 3.5 2.300 3.900 4.900" />,
);
export const BellIcon = icon(<path d="M6 16.5V11a6 6 0 0 1 12 0v5.5l1.5 1.5h-15L6 16.5ZM10 20.5a2.2 2.2 0 0 0 4 0" />);
export const CheckIcon = icon(<path d="m5 12.5 4.5 4.5L19 7.5" />);
export const CloseIcon = icon(<path d="M6 6l12 12M18 6 6 18" />);

/** The mark: two jacks and the cord between them. */
export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <path class="mark-cord" d="M9 12v3c0 9 14 1.5 14 7.5" />
      <circle cx="9" cy="8.5" r="3.8" />
      <circle cx="23" cy="24" r="3.8" />
    </svg>
  );
}
