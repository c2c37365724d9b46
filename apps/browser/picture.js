// A reader's picture as a square of pixels, or one sentence that says what is wrong with it.
const MOST_BYTES = 60_000_000;
const MOST_PIXELS = 60_000_000;
const LEAST_SIDE = 16;

export class PictureError extends Error {}

/** Decode a file or blob, turned as its camera says; returns a bitmap. */
export async function decode(blob, name = "this picture") {
  if (blob.size === 0) throw new PictureError(`${name} is empty: choose another file.`);
  if (blob.size > MOST_BYTES) throw new PictureError(`${name} has ${Math.round(blob.size / 1e6)} MB: choose one below 60 MB.`);
  const head = new Uint8Array(await blob.slice(0, 32).arrayBuffer());
  const text = String.fromCharCode(...head);
  if (/^....ftyp(heic|heix|hevc|mif1|msf1)/s.test(text)) {
    try {
      return await createImageBitmap(blob, { imageOrientation: "from-image" });
    } catch {
      throw new PictureError(`${name} is a HEIC picture, which this browser cannot read: save it as JPEG first.`);
    }
  }
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, { imageOrientation: "from-image" });
  } catch {
    throw new PictureError(`${name} is not a picture this browser can read, or is broken: choose a JPEG, PNG or WebP file.`);
  }
  const [width, height] = [bitmap.width, bitmap.height];
  if (Math.min(width, height) < LEAST_SIDE) throw new PictureError(`${name} has ${width} x ${height} pixels: choose one of at least 16 x 16.`);
  if (width * height > MOST_PIXELS) throw new PictureError(`${name} has ${Math.round((width * height) / 1e6)} megapixels: choose one below 60.`);
  return bitmap;
}

/** The centre square of a bitmap, `side` pixels wide, as RGBA bytes on white ground. */
export function square(bitmap, side) {
  const canvas = new OffscreenCanvas(side, side);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const edge = Math.min(bitmap.width, bitmap.height);
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, side, side);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, (bitmap.width - edge) / 2, (bitmap.height - edge) / 2, edge, edge, 0, 0, side, side);
  return context.getImageData(0, 0, side, side).data;
}
