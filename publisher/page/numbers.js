// How numbers read; a dash where there is none.
const NONE = "–";

function fixed(digits) {
  const format = new Intl.NumberFormat("en-IN", {
    minimumFractionDigits: digits, maximumFractionDigits: digits,
  });
  return (value) => (Number.isFinite(value) ? format.format(value) : NONE);
}

export const price = fixed(2);
export const greek = fixed(3);
export const tiny = fixed(5);
export const whole = fixed(0);
const onePlace = fixed(1);
export const percent = (value) => (Number.isFinite(value) ? `${onePlace(value * 100)}%` : NONE);

export function lots(value) {
  if (!Number.isFinite(value)) return NONE;
  if (value >= 1e7) return `${onePlace(value / 1e7)} Cr`;
  if (value >= 1e5) return `${onePlace(value / 1e5)} L`;
  return whole(value);
}

export function span(seconds) {
  if (!Number.isFinite(seconds)) return NONE;
  if (seconds > 86400) return "over a day";
  return seconds < 1 ? `${onePlace(seconds * 1000)} ms` : `${onePlace(seconds)} s`;
}

const CLOCK = new Intl.DateTimeFormat("en-GB", {
  timeZone: "Asia/Kolkata", hour: "2-digit", minute: "2-digit", second: "2-digit",
});
export const clock = (us) => CLOCK.format(new Date(us / 1000));
