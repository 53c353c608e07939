// A picture to try the page with: hills in the evening, drawn here.

const WIDTH = 1800;
const HEIGHT = 1200;
const SKY = [
  [0, '#27466b'],
  [0.5, '#c98d7a'],
  [0.72, '#f3cf95'],
];
const HILLS = [
  ['#6d7f9a', 0.58, 70, 260],
  ['#4d6a78', 0.68, 90, 330],
  ['#35574f', 0.79, 80, 210],
  ['#1f3a33', 0.9, 60, 290],
];

/** Resolves to the picture as a PNG file. */
export async function samplePicture() {
  const canvas = document.createElement('canvas');
  Object.assign(canvas, { width: WIDTH, height: HEIGHT });
  const context = canvas.getContext('2d');
  drawSky(context);
  HILLS.forEach((hill, index) => drawHill(context, hill, index));
  drawGrain(context);
  const blob = await new Promise((resolve) => {
    canvas.toBlob(resolve, 'image/png');
  });
  return new File([blob], 'evening.png', { type: 'image/png' });
}

function drawSky(context) {
  const sky = context.createLinearGradient(0, 0, 0, HEIGHT);
  for (const [at, colour] of SKY) sky.addColorStop(at, colour);
  context.fillStyle = sky;
  context.fillRect(0, 0, WIDTH, HEIGHT);
  const sun = context.createRadialGradient(1230, 640, 20, 1230, 640, 420);
  sun.addColorStop(0, '#fff6dcff');
  sun.addColorStop(0.14, '#ffe6b0d0');
  sun.addColorStop(1, '#ffd98a00');
  context.fillStyle = sun;
  context.fillRect(0, 0, WIDTH, HEIGHT);
}

function drawHill(context, [colour, level, height, length], index) {
  context.fillStyle = colour;
  context.beginPath();
  context.moveTo(0, HEIGHT);
  for (let x = 0; x <= WIDTH; x += 3) {
    const rough = Math.sin(x / 17 + index) * 3 + Math.sin(x / 5.3) * 1.5 * index;
    const wave = Math.sin(x / length + index * 2.1) + 0.5 * Math.sin(x / (length * 0.37) + index);
    context.lineTo(x, level * HEIGHT - wave * height * 0.6 + rough);
  }
  context.lineTo(WIDTH, HEIGHT);
  context.fill();
}

/** Noise as of a camera, so that quality depends on bytes. */
function drawGrain(context) {
  const image = context.getImageData(0, 0, WIDTH, HEIGHT);
  let state = 1;
  for (let at = 0; at < image.data.length; at += 4) {
    state = (state * 1103515245 + 12345) & 0x7fffffff;
    const grain = ((state >> 16) % 17) - 8;
    for (let channel = 0; channel < 3; channel += 1) image.data[at + channel] += grain;
  }
  context.putImageData(image, 0, 0);
}
