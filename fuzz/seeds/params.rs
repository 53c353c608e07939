//! Queries: every parameter with each of its values, alone and together.

use super::Seed;

const QUERIES: [&str; 24] = [
    "target=80KB",
    "max_bytes=1.5MiB&format=keep",
    "target=80000&mode=fit&min_bytes=20 KB",
    "target=1&mode=exact",
    "target=1GB&mode=close&tolerance=2.5%",
    "target=50MB&mode=close&tolerance=5KB",
    "target=9KiB&format=webp, jpeg,avif,png",
    "target=9b&format=jpg&quality=71.5",
    "target=9KB&width=640&height=65535&resize=cover&enlarge=true",
    "target=9KB&height=1&resize=fill&enlarge=false",
    "target=9KB&width=1&resize=inside",
    "target=9KB&downscale=never&min_score=70",
    "target=9KB&downscale=auto&effort=best",
    "target=9KB&effort=fast&metadata=copyright",
    "target=9KB&effort=balanced&metadata=strip",
    "target=9KB&metadata=keep&background=#0af",
    "target=9KB&background=00aaff&deadline=800ms",
    "target=9KB&deadline=1.5s&on_miss=smallest",
    "target=9KB&on_miss=error&filename=a b.jpg",
    "target=18446744073709551616",
    "target=0.999999999999999999999GiB",
    "target=9KB&target=9KB",
    "target=9KB&quality=100&min_score=0&deadline=60s",
    "crop=1",
];

pub fn seeds() -> Vec<Seed> {
    let numbered = QUERIES.iter().enumerate();
    numbered.map(|(index, query)| (format!("query-{index:02}"), query.as_bytes().to_vec())).collect()
}
