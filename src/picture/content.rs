//! What a picture shows, as far as the choice of scale, format and dithering depends on it.

use super::{Layout, Picture};

/// Side of the blocks that are looked at, in pixels.
const BLOCK: usize = 8;

/// Rows of blocks that are looked at, when there are more.
const MOST_ROWS: usize = 64;

/// Levels of luma between the darkest and the lightest pixel from which on a block counts as an edge.
const EDGE: u8 = 96;

/// Levels of luma that a block of a smooth picture stays below.
const DETAIL: u8 = 16;

/// Share of blocks of one level below which a picture may be a gradient.
const MOST_FLAT_OF_SMOOTH: f64 = 0.5;

/// Share of blocks of one level from which on a picture is drawn.
const LEAST_FLAT_OF_DRAWN: f64 = 0.12;

/// From which share of blocks with edges on a picture is text, where at most that share of their pixels is between
/// light and dark.
const TEXT: [(f64, f64); 2] = [(0.05, 0.12), (0.3, 0.21)];

/// What a picture shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Text, a drawing of strokes or a screenshot: many blocks with edges, and few pixels between light and dark in
    /// them.
    Text,
    /// Another drawing: many blocks of one level, which no camera takes.
    Drawing,
    /// Gradients: no detail anywhere.
    Smooth,
    /// What the models are fitted to.
    Photograph,
}

impl Content {
    /// docs/model.md, Content, has the figures of documents, scans, drawings and photographs.
    pub(crate) fn of(picture: &Picture) -> Content {
        let blocks = Blocks::of(picture);
        let may_be_smooth = blocks.blocks > 0 && !blocks.has_detail && blocks.share(blocks.flat) < MOST_FLAT_OF_SMOOTH;
        if may_be_smooth && !Blocks::of_every_row(picture).has_detail {
            return Content::Smooth;
        }
        Content::of_blocks(&blocks)
    }

    /// The same of the opaque part of `picture`, or of all of it where there is none: around it everything is of one
    /// level. `flattened` is the picture on a background.
    pub(crate) fn of_opaque_part(picture: &Picture, flattened: &Picture) -> Content {
        let blocks = Blocks::opaque_of(picture);
        if blocks.blocks == 0 { Content::of(flattened) } else { Content::of_blocks(&blocks) }
    }

    /// What blocks show that may have detail.
    fn of_blocks(blocks: &Blocks) -> Content {
        let (edges, between) = (blocks.share(blocks.edges), blocks.between_share());
        if TEXT.iter().any(|(least_edges, most_between)| edges >= *least_edges && between <= *most_between) {
            return Content::Text;
        }
        if blocks.share(blocks.flat) >= LEAST_FLAT_OF_DRAWN { Content::Drawing } else { Content::Photograph }
    }

    /// Whether it shows text or another drawing.
    pub(crate) fn is_drawn(self) -> bool {
        matches!(self, Content::Text | Content::Drawing)
    }
}

/// Counts over the blocks of a picture.
#[derive(Default)]
struct Blocks {
    blocks: usize,
    /// Blocks of one level.
    flat: usize,
    /// Blocks with an edge.
    edges: usize,
    /// Pixels of those that are neither light nor dark: in the middle two fifths of the block's range.
    between: usize,
    /// Whether there is a block with detail.
    has_detail: bool,
}

impl Blocks {
    /// Of rows from all over the picture.
    fn of(picture: &Picture) -> Blocks {
        Blocks::of_rows(picture, sampled_rows(picture), |_| true)
    }

    fn of_every_row(picture: &Picture) -> Blocks {
        Blocks::of_rows(picture, 0..picture.height() as usize / BLOCK, |_| true)
    }

    /// Of the opaque blocks of a picture with alpha.
    fn opaque_of(picture: &Picture) -> Blocks {
        Blocks::of_rows(picture, sampled_rows(picture), |pixels| {
            pixels.chunks_exact(Layout::Rgba.bytes_per_pixel()).all(|pixel| pixel[3] == u8::MAX)
        })
    }

    /// Of those blocks in `rows` all of whose lines are `wanted`.
    fn of_rows(picture: &Picture, rows: impl Iterator<Item = usize>, wanted: impl Fn(&[u8]) -> bool) -> Blocks {
        let width = picture.width() as usize;
        let row_bytes = BLOCK * width * picture.layout().bytes_per_pixel();
        let mut found = Blocks::default();
        for row in rows {
            let pixels = &picture.pixels()[row * row_bytes..][..row_bytes];
            let luma = match picture.layout() {
                Layout::Rgb => luma_of::<3>(pixels),
                Layout::Rgba => luma_of::<4>(pixels),
            };
            let block_bytes = BLOCK * picture.layout().bytes_per_pixel();
            let is_wanted = |column: &usize| {
                pixels.chunks_exact(row_bytes / BLOCK).all(|line| wanted(&line[column * block_bytes..][..block_bytes]))
            };
            let columns = (0..width / BLOCK).filter(is_wanted);
            columns.for_each(|column| found.add(&block_of(&luma, width, column)));
        }
        found
    }

    fn add(&mut self, block: &[[u8; BLOCK]; BLOCK]) {
        self.blocks += 1;
        let block = block.as_flattened();
        let darkest = block.iter().copied().fold(u8::MAX, u8::min);
        let lightest = block.iter().copied().fold(0, u8::max);
        let range = u32::from(lightest - darkest);
        self.flat += usize::from(range == 0);
        self.has_detail |= range >= u32::from(DETAIL);
        if range < u32::from(EDGE) {
            return;
        }
        self.edges += 1;
        let is_between = |level: &&u8| (range * 3 + 1..range * 7).contains(&(u32::from(**level - darkest) * 10));
        self.between += block.iter().filter(is_between).count();
    }

    fn share(&self, blocks: usize) -> f64 {
        blocks as f64 / self.blocks.max(1) as f64
    }

    fn between_share(&self) -> f64 {
        self.between as f64 / (self.edges * BLOCK * BLOCK).max(1) as f64
    }
}

/// The indexes of rows of blocks from all over `picture`.
fn sampled_rows(picture: &Picture) -> impl Iterator<Item = usize> + use<> {
    let rows = picture.height() as usize / BLOCK;
    (0..rows).step_by(rows.div_ceil(MOST_ROWS).max(1))
}

/// The luma of `pixels` of `N` bytes, as they look on white.
fn luma_of<const N: usize>(pixels: &[u8]) -> Vec<u8> {
    // ITU-R BT.601 in 256ths.
    let luma = |pixel: &[u8; N]| {
        let of_colour = (77 * u32::from(pixel[0]) + 150 * u32::from(pixel[1]) + 29 * u32::from(pixel[2])) >> 8;
        let alpha = pixel.get(3).map_or(255, |alpha| u32::from(*alpha));
        (255 - (255 - of_colour) * alpha / 255) as u8
    };
    pixels.as_chunks().0.iter().map(luma).collect()
}

/// The block at `column` of rows of luma that are `width` long.
fn block_of(luma: &[u8], width: usize, column: usize) -> [[u8; BLOCK]; BLOCK] {
    let mut block = [[0; BLOCK]; BLOCK];
    for (levels, row) in block.iter_mut().zip(luma.chunks_exact(width)) {
        levels.copy_from_slice(&row[column * BLOCK..][..BLOCK]);
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(level: impl Fn(u32, u32) -> u8) -> Picture {
        let pixels = (0..256 * 256u32).flat_map(|index| [level(index % 256, index / 256); 3]).collect();
        Picture::new(256, 256, Layout::Rgb, pixels)
    }

    #[test]
    fn strokes_are_text_and_soft_shapes_are_not() {
        let strokes = grey(|x, y| if x % 9 < 2 && y % 14 < 10 { 20 } else { 250 });
        let shapes = grey(|x, y| ((f64::from(x) / 9.0).sin() * (f64::from(y) / 7.0).cos() * 120.0 + 128.0) as u8);
        assert_eq!(Content::of(&strokes), Content::Text);
        assert_eq!(Content::of(&shapes), Content::Photograph);
        let smaller_than_a_block = Picture::new(7, 7, Layout::Rgb, vec![0; 147]);
        assert_eq!(Content::of(&smaller_than_a_block), Content::Photograph);
    }

    #[test]
    fn gradients_are_smooth_unless_a_single_block_has_detail() {
        let gradient = |x: u32, y: u32| ((x + y) / 3) as u8;
        assert_eq!(Content::of(&grey(gradient)), Content::Smooth);
        let with_a_dot = grey(|x, y| gradient(x, y) + if (x, y) == (77, 140) { 20 } else { 0 });
        assert_eq!(Content::of(&with_a_dot), Content::Photograph);
    }

    #[test]
    fn a_photograph_on_nothing_is_no_drawing() {
        let noise = |x: u32, y: u32| (x * 7 + y * 13) as u8 / 4;
        let flattened = grey(|x, y| if x < 64 { 255 } else { noise(x, y) });
        let pixels = (0..256 * 256u32).flat_map(|index| {
            let (x, y) = (index % 256, index / 256);
            [noise(x, y), noise(x, y), noise(x, y), if x < 64 { 0 } else { 255 }]
        });
        let cut_out = Picture::new(256, 256, Layout::Rgba, pixels.collect());
        assert_eq!(Content::of(&flattened), Content::Drawing);
        assert_eq!(Content::of_opaque_part(&cut_out, &flattened), Content::Photograph);
        let transparent = Picture::new(256, 256, Layout::Rgba, vec![0; 4 << 16]);
        assert_eq!(Content::of_opaque_part(&transparent, &flattened), Content::Drawing);
    }

    #[test]
    fn a_shadow_is_as_smooth_as_it_looks_on_white() {
        let pixels = (0..256 * 256u32).flat_map(|index| [0, 0, 0, ((index % 256 + index / 256) / 3) as u8]);
        let shadow = Picture::new(256, 256, Layout::Rgba, pixels.collect());
        assert_eq!(Content::of(&shadow), Content::Smooth);
    }

    #[test]
    fn areas_of_one_level_are_drawn() {
        assert_eq!(Content::of(&grey(|x, y| if x < 64 { 128 } else { (x * 7 + y * 13) as u8 / 4 })), Content::Drawing);
        assert_eq!(
            Content::of(&grey(|x, y| if x < 16 { 128 } else { (x * 7 + y * 13) as u8 / 4 })),
            Content::Photograph
        );
    }
}
