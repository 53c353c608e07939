//! The table as an SVG chart: cost and fill of each format and target, next to those of a bisection.

use std::fmt::Write;

/// What one row of the chart shows.
pub(crate) struct Bar {
    pub format: &'static str,
    pub target: &'static str,
    /// CPU time divided by that of decoding and one encode.
    pub cost: f64,
    pub bisection_cost: f64,
    /// 5th percentile and median of bytes divided by the target.
    pub fill: [f64; 2],
}

/// Pixels: the width of the chart, the height of a row, and the top edge, left edge and width of the panels.
const WIDTH: f64 = 760.0;
const ROW: f64 = 18.0;
const TOP: f64 = 54.0;
const COST: Panel = Panel { left: 130.0, width: 330.0, from: 0.0, to: 7.0 };
const FILL: Panel = Panel { left: 500.0, width: 230.0, from: 0.90, to: 1.0 };

/// A part of the chart with its own axis.
struct Panel {
    left: f64,
    width: f64,
    from: f64,
    to: f64,
}

impl Panel {
    fn x(&self, value: f64) -> f64 {
        self.left + self.width * ((value - self.from) / (self.to - self.from)).clamp(0.0, 1.0)
    }

    fn draw(&self, svg: &mut String, title: &str, ticks: &[f64], bottom: f64) {
        text(svg, self.left, 18.0, "start", title);
        for tick in ticks {
            let x = self.x(*tick);
            let _ = writeln!(svg, r##"<path d="M{x:.1} {TOP:.1}V{bottom:.1}" stroke="#ddd"/>"##);
            text(svg, x, TOP - 8.0, "middle", &tick.to_string());
        }
    }
}

/// The chart of `bars`, in the given order.
pub(crate) fn svg(bars: &[Bar]) -> String {
    let bottom = TOP + ROW * bars.len() as f64;
    let height = bottom + 12.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
    );
    COST.draw(
        &mut svg,
        "CPU over decoding and one encode: bytefit, bisection (pale)",
        &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0],
        bottom,
    );
    FILL.draw(&mut svg, "share of the target filled: median, p5", &[0.9, 0.95, 1.0], bottom);
    for (index, bar) in bars.iter().enumerate() {
        row(&mut svg, bar, TOP + ROW * index as f64);
    }
    svg + "</svg>\n"
}

fn row(svg: &mut String, bar: &Bar, top: f64) {
    let middle = top + ROW / 2.0;
    text(svg, COST.left - 8.0, middle + 4.0, "end", &format!("{}, {}", bar.format, bar.target));
    for (cost, height, colour) in [(bar.bisection_cost, 14.0, "#d5dbe3"), (bar.cost, 8.0, "#1f5fa8")] {
        let (x, width, y) = (COST.left, COST.x(cost) - COST.left, middle - height / 2.0);
        let _ =
            writeln!(svg, r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="{colour}"/>"#);
    }
    let [low, median] = bar.fill.map(|fill| FILL.x(fill));
    let _ = writeln!(svg, r##"<path d="M{low:.1} {middle:.1}H{median:.1}" stroke="#1f5fa8" stroke-width="2"/>"##);
    let _ = writeln!(svg, r##"<circle cx="{median:.1}" cy="{middle:.1}" r="4" fill="#1f5fa8"/>"##);
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, text: &str) {
    let _ = writeln!(svg, r##"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" fill="#333">{text}</text>"##);
}
