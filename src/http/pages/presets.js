// Targets that people often meet, and the settings for each. Those that a preset does not name go back to their defaults.

const kilobytes = (amount) => ({ amount: String(amount), unit: 'KB' });

export const PRESETS = [
  { name: '20–50 KB portal', settings: { ...kilobytes(50), min_bytes: '20KB', format: 'jpeg' } },
  { name: '80 KB', settings: kilobytes(80) },
  { name: '200 KB', settings: kilobytes(200) },
  { name: '1 MB', settings: { amount: '1', unit: 'MB' } },
  // github.com/WhatsApp/stickers: WebP of exactly 512x512, less than 100 KB.
  {
    name: 'Sticker',
    settings: {
      amount: '99999',
      unit: '',
      format: 'webp',
      width: '512',
      height: '512',
      resize: 'cover',
      enlarge: true,
      keep_pixels: true,
    },
  },
  { name: 'Mail, 10 MB in all', settings: { amount: '10', unit: 'MB', total: true } },
];
