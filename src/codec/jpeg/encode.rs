//! JPEG by mozjpeg, with quantiser tables of our own.

use std::cell::OnceCell;
use std::ops::RangeInclusive;

use mozjpeg_sys::jpeg_scan_info;

use super::library::{self, Samples, Settings};
use super::quantiser::{self, TABLES, Tables};
use super::scans;
use super::size_model::{self, Control, Sample};
use super::trellis::Trellis;
use crate::codec::probes::Probes;
use crate::codec::{Effort, EncodeError, Encoder, Format};
use crate::picture::chroma::{HalvedPlanes, SampleRange};
use crate::picture::{Chroma, Layout, Picture};

/// Largest side (T.81 B.2.2 allows 65,535; libjpeg stops at JPEG_MAX_DIMENSION).
pub const MAX_SIDE: u32 = 65_500;

/// A picture ready to be written as JPEG at any quantiser step.
pub struct JpegEncoder<'a> {
    picture: &'a Picture,
    /// The luma of a grey picture, which is written as one component.
    grey: Option<Vec<u8>>,
    chroma: Chroma,
    /// Made with the first encode at 4:2:0.
    halved: OnceCell<HalvedPlanes>,
    effort: Effort,
    trellis: Trellis,
    tables: &'a Tables,
    scans: &'static [jpeg_scan_info],
    /// Whether no progressive file is written.
    is_baseline: bool,
    sample: OnceCell<Sample>,
    /// What the strips of probes are compared with.
    control: OnceCell<Control>,
    probes: Probes,
}

impl<'a> JpegEncoder<'a> {
    /// Prepares `picture`, which has no alpha channel.
    ///
    /// # Errors
    /// [`EncodeError::TooLarge`] over [`MAX_SIDE`].
    ///
    /// # Panics
    /// When the picture has an alpha channel.
    pub fn new(picture: &'a Picture, chroma: Chroma, effort: Effort) -> Result<JpegEncoder<'a>, EncodeError> {
        assert_eq!(picture.layout(), Layout::Rgb, "JPEG has no alpha channel");
        Format::Jpeg.check_size(picture)?;
        let grey: Option<Vec<u8>> = picture.is_grey().then(|| picture.pixels().iter().step_by(3).copied().collect());
        let scans = scans::of(picture.pixel_count(), grey.is_some());
        Ok(JpegEncoder {
            picture,
            grey,
            chroma,
            halved: OnceCell::new(),
            effort,
            trellis: if effort == Effort::Fast { Trellis::Never } else { Trellis::Always },
            tables: &TABLES,
            scans,
            is_baseline: false,
            sample: OnceCell::new(),
            control: OnceCell::new(),
            probes: Probes::default(),
        })
    }

    /// The same with other quantiser tables. Sizes are still predicted for [`TABLES`].
    pub fn with_tables(self, tables: &'a Tables) -> JpegEncoder<'a> {
        JpegEncoder { tables, ..self }
    }

    /// The same with trellis at other steps than those of its effort.
    pub fn with_trellis(self, trellis: Trellis) -> JpegEncoder<'a> {
        JpegEncoder { trellis, ..self }
    }
}

impl Encoder for JpegEncoder<'_> {
    fn ln_step_range(&self) -> RangeInclusive<f64> {
        quantiser::LN_STEP_RANGE
    }

    fn snap(&self, ln_step: f64) -> f64 {
        // A thousandth of the scale moves the size by 0.05 %; finer states are not worth an encode.
        (ln_step * 1000.0).round() / 1000.0
    }

    fn predict(&self, ln_step: f64) -> f64 {
        self.sample().ln_bytes(ln_step)
    }

    fn probe(&self, ln_step: f64) -> Result<Option<f64>, EncodeError> {
        self.probes.at(ln_step, self.predict(ln_step), || self.new_probe(ln_step))
    }

    fn use_one_pass(&mut self) {
        (self.scans, self.is_baseline) = (&[], true);
    }

    fn encode(&self, ln_step: f64) -> Result<Vec<u8>, EncodeError> {
        self.write(&self.settings(self.snap(ln_step)))
    }
}

impl JpegEncoder<'_> {
    /// ln(bytes) at this step, by an encode of the sampled rows. Returns `None` when all of the picture is sampled.
    fn new_probe(&self, ln_step: f64) -> Result<Option<f64>, EncodeError> {
        let Some(strips) = self.sample().strips(self.picture) else { return Ok(None) };
        let of_strips = JpegEncoder::new(&strips, self.chroma, self.effort)?.with_trellis(self.trellis);
        if let Some(planes) = self.halved() {
            of_strips.halved.get_or_init(|| self.sample().halved_strips(planes));
        }
        // The strips are written with the scans of the whole picture.
        let scans = match self.is_baseline {
            true => &[][..],
            false => scans::of(self.picture.pixel_count(), of_strips.grey.is_some()),
        };
        let file = JpegEncoder { scans, is_baseline: self.is_baseline, ..of_strips }.encode(ln_step)?;
        let control = self.control.get_or_init(|| self.sample().control(self.picture, self.halved()));
        let overhead = match self.is_baseline {
            true => size_model::ONE_PASS_OVERHEAD,
            false => size_model::overhead(self.picture.pixel_count()),
        };
        Ok(Some(self.sample().scaled_up(control, ln_step, file.len() as u64, overhead)))
    }

    fn write(&self, settings: &Settings) -> Result<Vec<u8>, EncodeError> {
        library::encode(self.samples(), settings).map_err(|reason| EncodeError::Failed { format: Format::Jpeg, reason })
    }

    fn samples(&self) -> Samples<'_> {
        match (&self.grey, self.halved()) {
            (Some(grey), _) => Samples::Grey(grey),
            (None, Some(planes)) => Samples::Halved(planes),
            (None, None) => Samples::Rgb(self.picture.pixels()),
        }
    }

    /// The planes at 4:2:0 of a picture in colour.
    fn halved(&self) -> Option<&HalvedPlanes> {
        let planes = || HalvedPlanes::of(self.picture, SampleRange::Full);
        (self.chroma == Chroma::Halved && self.grey.is_none()).then(|| self.halved.get_or_init(planes))
    }

    fn sample(&self) -> &Sample {
        self.sample.get_or_init(|| Sample::of(self.picture, self.chroma, self.trellis))
    }

    fn settings(&self, ln_step: f64) -> Settings {
        Settings {
            width: self.picture.width(),
            height: self.picture.height(),
            tables: self.tables.at(ln_step),
            lambda: self.trellis.lambda(ln_step),
            // The search over scan scripts costs 40 % of the encode for under 1 % of the bytes.
            scans: (self.is_baseline || self.effort != Effort::Best).then_some(self.scans),
        }
    }
}
