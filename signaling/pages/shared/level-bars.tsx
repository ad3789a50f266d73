/**
 * A level meter: the last two seconds of loudness as bars, newest at the right.
 *
 * Decoration for the eye only (aria-hidden): whoever shows it says in words who is talking. With
 * "reduce motion" it is one bar that changes four times a second instead of a running picture.
 */
import { useEffect, useRef } from "preact/hooks";

const BARS = 32;
const FRAME_MS = 60; // about one bar per three packets: two seconds across
const CALM_FRAME_MS = 250;

export function LevelBars({ read }: { read: () => number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const reading = useRef(read);
  reading.current = read;

  useEffect(() => {
    const history = new Array<number>(BARS).fill(0);
    const calm = matchMedia("(prefers-reduced-motion: reduce)");
    let drawnMs = 0;
    let frame = requestAnimationFrame(function draw(nowMs) {
      frame = requestAnimationFrame(draw);
      if (nowMs - drawnMs < (calm.matches ? CALM_FRAME_MS : FRAME_MS) || canvas.current === null) return;
      drawnMs = nowMs;
      history.shift();
      history.push(reading.current());
      if (calm.matches) drawOne(canvas.current, history.at(-1) ?? 0);
      else drawAll(canvas.current, history);
    });
    return () => cancelAnimationFrame(frame);
  }, []);

  return <canvas ref={canvas} class="level" aria-hidden="true" />;
}

function prepared(canvas: HTMLCanvasElement): CanvasRenderingContext2D | null {
  const scale = devicePixelRatio;
  const width = Math.round(canvas.clientWidth * scale);
  const height = Math.round(canvas.clientHeight * scale);
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const context = canvas.getContext("2d");
  if (context === null) return null;
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
  context.fillStyle = getComputedStyle(canvas).color;
  return context;
}

function drawAll(canvas: HTMLCanvasElement, levels: readonly number[]): void {
  const context = prepared(canvas);
  if (context === null) return;
  const { clientWidth: width, clientHeight: height } = canvas;
  const step = width / levels.length;
  const thickness = Math.max(2, step * 0.55);
  levels.forEach((level, index) => {
    const length = Math.max(thickness, level * height);
    context.globalAlpha = level > 0.02 ? 1 : 0.35;
    context.beginPath();
    context.roundRect(index * step + (step - thickness) / 2, (height - length) / 2, thickness, length, thickness / 2);
    context.fill();
  });
}

function drawOne(canvas: HTMLCanvasElement, level: number): void {
  const context = prepared(canvas);
  if (context === null) return;
  const { clientWidth: width, clientHeight: height } = canvas;
  context.globalAlpha = 0.25;
  context.fillRect(0, height / 2 - 3, width, 6);
  context.globalAlpha = 1;
  context.fillRect(0, height / 2 - 3, width * level, 6);
}
