//! Sets of outputs: every key, alone and together.

use super::Seed;

const SPECS: [&str; 8] = [
    r#"{"outputs":[{"name":"thumb","width":150,"format":"webp","target":"8KB"}]}"#,
    r#"{"sizes":[{"name":"full","width":2048,"target":"300KB"}],"formats":["avif","webp","jpeg"]}"#,
    r#"{"widths":[320,640,1280],"defaults":{"effort":"balanced","target":80000}}"#,
    r#"{"widths":[320,640],"formats":["jpg"],"defaults":{"target":"8KB","enlarge":true},"deadline":"30s"}"#,
    r#"{"outputs":[{"name":"a","target":"8KB"},{"name":"b"}],"widths":[320],"total":"500KB"}"#,
    r#"{"outputs":[{"name":"a","target":1},{"name":"a","target":1}],"on_error":"fail"}"#,
    r#"{"outputs":[{"name":"a","preset":"b","quality":71.5}],"on_error":"keep"}"#,
    r#"{"outputs":[{"name":"a","target":"1MB","mode":"close","tolerance":"5%"}],"outputs":[]}"#,
];

pub fn seeds() -> Vec<Seed> {
    let numbered = SPECS.iter().enumerate();
    numbered.map(|(index, spec)| (format!("spec-{index:02}"), spec.as_bytes().to_vec())).collect()
}
