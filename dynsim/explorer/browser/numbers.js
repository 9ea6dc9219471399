// Scales, ticks and numbers as a reader expects them.

const MINUS = "\u2212";

function shortNumber(value) {
  if (!Number.isFinite(value)) return "";
  const size = Math.abs(value);
  if (size < 1e-9) return "0";
  const text = size >= 1e5 || size < 1e-4 ? value.toExponential(0).replace("e+", "e") : String(Number(value.toPrecision(4)));
  return text.replaceAll("-", MINUS);
}

// Round steps (1, 2, 5 times a power of ten), at most `count` of them.
function roundStep(span, count) {
  const raw = span / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(raw));
  return [1, 2, 5, 10].find((factor) => factor * power >= raw * 0.999) * power;
}

// A domain that begins and ends at a tick, so that it rarely changes while a curve moves.
function roundDomain(low, high, count) {
  if (!(high > low)) [low, high] = [low - 0.5, low + 0.5];
  const step = roundStep(high - low, count);
  return [Math.floor(low / step + 1e-9) * step, Math.ceil(high / step - 1e-9) * step];
}

class LinearScale {
  constructor(low, high, from, to) {
    Object.assign(this, { low, high, from, to });
  }
  of(value) {
    return this.from + ((value - this.low) / (this.high - this.low)) * (this.to - this.from);
  }
  inverse(pixel) {
    return this.low + ((pixel - this.from) / (this.to - this.from)) * (this.high - this.low);
  }
  ticks(count) {
    const step = roundStep(this.high - this.low, count);
    const result = [];
    for (let k = Math.ceil(this.low / step - 1e-9); k * step <= this.high + 1e-9 * step; k++) result.push(k * step);
    return result.map((value) => ({ value, label: shortNumber(Number(value.toPrecision(12))) }));
  }
}

const SUPERSCRIPT = { "-": "\u207b", 0: "\u2070", 1: "\u00b9", 2: "\u00b2", 3: "\u00b3", 4: "\u2074", 5: "\u2075", 6: "\u2076", 7: "\u2077", 8: "\u2078", 9: "\u2079" };

class LogScale extends LinearScale {
  of(value) {
    const share = Math.log(value / this.low) / Math.log(this.high / this.low);
    return this.from + share * (this.to - this.from);
  }
  inverse(pixel) {
    return this.low * (this.high / this.low) ** ((pixel - this.from) / (this.to - this.from));
  }
  ticks(count) {
    const [first, last] = [Math.ceil(Math.log10(this.low) - 1e-9), Math.floor(Math.log10(this.high) + 1e-9)];
    const stride = Math.max(1, Math.ceil((last - first + 1) / Math.max(1, count)));
    const result = [];
    for (let k = first; k <= last; k += stride) {
      const plain = k >= -2 && k <= 3 ? String(Number((10 ** k).toPrecision(1))) : "10" + [...String(k)].map((c) => SUPERSCRIPT[c]).join("");
      result.push({ value: 10 ** k, label: plain });
    }
    return result;
  }
}

// A binary buffer that came with a message, as numbers.
function numbersOf(buffer) {
  if (!buffer) return null;
  if (buffer instanceof Float64Array) return buffer;
  const bytes = new Uint8Array(buffer.buffer ?? buffer, buffer.byteOffset ?? 0, buffer.byteLength);
  return new Float64Array(bytes.slice().buffer);
}

// The path of a polyline; it is interrupted wherever a number is missing or far outside the picture.
function pathOf(xs, ys, x, y) {
  let path = "";
  let pen = "M";
  for (let i = 0; i < xs.length; i++) {
    const px = x.of(xs[i]);
    const py = y.of(ys[i]);
    if (!(Math.abs(px) < 1e4 && Math.abs(py) < 1e4)) {
      pen = "M";
      continue;
    }
    path += `${pen}${px.toFixed(1)},${py.toFixed(1)}`;
    pen = "L";
  }
  return path;
}
