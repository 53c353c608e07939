//! Time of one decode and one encode, for each format and size: `cargo bench --bench codec`.

use std::hint::black_box;

use bytefit::codec::lossy_coding::LossyCoding;
use bytefit::codec::{self, Effort, Limits, png, webp};
use bytefit::picture::score::Reference;
use bytefit::picture::transform;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use testkit::drawing;

const SIDES: [u32; 2] = [512, 1024];

fn codecs(criterion: &mut Criterion) {
    for side in SIDES {
        let picture = drawing::photo(side, side, 1);
        let mut group = criterion.benchmark_group(format!("{side}x{side}"));
        group.sample_size(10).throughput(Throughput::Elements(picture.pixel_count()));
        for coding in LossyCoding::ALL {
            let file =
                coding.encoder(&picture, Effort::Balanced).unwrap().encode(coding.scale().ln_step(70.0)).unwrap();
            group.bench_function(BenchmarkId::new("encode", format!("{coding:?}")), |bencher| {
                bencher.iter(|| {
                    let encoder = coding.encoder(black_box(&picture), Effort::Balanced).unwrap();
                    encoder.encode(coding.scale().ln_step(70.0)).unwrap()
                });
            });
            group.bench_function(BenchmarkId::new("decode", format!("{coding:?}")), |bencher| {
                bencher.iter(|| codec::decode(black_box(&file), &Limits::default()).unwrap());
            });
        }
        group.bench_function("lossless/webp", |bencher| {
            bencher.iter(|| webp::encode::encode_lossless(black_box(&picture), Effort::Balanced).unwrap());
        });
        group.bench_function("lossless/png", |bencher| {
            bencher.iter(|| png::encode::encode_lossless(black_box(&picture), Effort::Balanced).unwrap());
        });
        group.bench_function("scale/half", |bencher| {
            bencher.iter(|| transform::scale(black_box(&picture), side / 2, side / 2));
        });
        let reference = Reference::new(&picture, [255; 3]);
        group.bench_function("score", |bencher| bencher.iter(|| reference.score(black_box(&picture))));
        group.finish();
    }
}

criterion_group!(benches, codecs);
criterion_main!(benches);
