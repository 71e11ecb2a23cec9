//! The results as pictures.

use super::results::{Results, Summary};
use super::scenario::Scenario;
use crate::stand::Contestant;
use anyhow::{Context as _, Result};
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

/// A picture: its file name, and the results it shows.
struct Picture {
    file: &'static str,
    scenario: Scenario,
    title: &'static str,
    x: &'static str,
    y: &'static str,
    figure: fn(&Summary) -> Option<f64>,
    /// Position of the legend, where it covers no lines.
    names: SeriesLabelPosition,
}

static PICTURES: [Picture; 3] = [
    Picture {
        file: "latency-over-load.svg",
        scenario: Scenario::Open,
        title: "Latency over load",
        x: "CALLs per second",
        y: "ms, 99th percentile",
        figure: |summary| Some(summary.p99_us? / 1e3),
        names: SeriesLabelPosition::UpperLeft,
    },
    Picture {
        file: "cpu-over-charge-points.svg",
        scenario: Scenario::Closed,
        title: "CPU time of an answered CALL",
        x: "charge points",
        y: "µs",
        figure: |summary| summary.cpu_us_per_call,
        names: SeriesLabelPosition::UpperRight,
    },
    Picture {
        file: "memory-over-connections.svg",
        scenario: Scenario::Idle,
        title: "Resident memory",
        x: "charge points, connected and idle",
        y: "MiB",
        figure: |summary| summary.rss_mib,
        names: SeriesLabelPosition::UpperLeft,
    },
];

const SIZE: (u32, u32) = (760, 460);

/// The points of one contestant, in the order of x.
struct Line {
    contestant: Contestant,
    points: Vec<(f64, f64)>,
}

/// File name and SVG text of each picture that has a line with two points or more.
pub(crate) fn pictures(results: &Results) -> Result<Vec<(&'static str, String)>> {
    let mut drawn = Vec::new();
    for picture in &PICTURES {
        let lines = lines(results, picture);
        if lines.iter().any(|line| line.points.len() > 1) {
            drawn.push((picture.file, draw(picture, &lines).context(picture.file)?));
        }
    }
    Ok(drawn)
}

fn lines(results: &Results, picture: &Picture) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for row in results.of(picture.scenario) {
        // A logarithmic scale has no zero.
        let Some(y) = row.summary.as_ref().and_then(picture.figure).filter(|y| *y > 0.0) else { continue };
        match lines.iter_mut().find(|line| line.contestant == row.contestant) {
            Some(line) => line.points.push((row.x, y)),
            None => lines.push(Line { contestant: row.contestant, points: vec![(row.x, y)] }),
        }
    }
    lines.iter_mut().for_each(|line| line.points.sort_by(|(a, _), (b, _)| a.total_cmp(b)));
    lines
}

fn colour(contestant: Contestant) -> RGBColor {
    match contestant {
        Contestant::Floor => RGBColor(120, 120, 120),
        Contestant::Gateway => RGBColor(200, 60, 30),
        Contestant::Other => RGBColor(230, 150, 40),
        Contestant::Node => RGBColor(40, 130, 60),
        Contestant::Python => RGBColor(40, 90, 170),
    }
}

fn draw(picture: &Picture, lines: &[Line]) -> Result<String> {
    let all = || lines.iter().flat_map(|line| line.points.iter().copied());
    let (least_x, most_x) = bounds(all().map(|(x, _)| x));
    let (least_y, most_y) = bounds(all().map(|(_, y)| y));
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut builder = ChartBuilder::on(&area);
        builder.caption(picture.title, ("sans-serif", 20)).margin(14).x_label_area_size(44).y_label_area_size(64);
        if picture.scenario == Scenario::Idle {
            // Linear scales, so that linear growth shows as a straight line.
            chart(builder.build_cartesian_2d(0.0..most_x * 1.02, 0.0..most_y * 1.25)?, picture, lines)?;
        } else {
            let x = (least_x * 0.9..most_x * 1.1).log_scale();
            chart(builder.build_cartesian_2d(x, (least_y * 0.8..most_y * 1.6).log_scale())?, picture, lines)?;
        }
        area.present()?;
    }
    Ok(svg)
}

fn chart<'a, X, Y>(
    mut chart: ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, Y>>,
    picture: &Picture,
    lines: &[Line],
) -> Result<()>
where
    X: AsRangedCoord<Value = f64> + Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: AsRangedCoord<Value = f64> + Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_desc(picture.x)
        .y_desc(picture.y)
        .x_label_formatter(&|x| number(*x))
        .y_label_formatter(&|y| number(*y))
        .draw()?;
    for line in lines {
        let style = colour(line.contestant).stroke_width(2);
        let key = move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style);
        chart
            .draw_series(LineSeries::new(line.points.iter().copied(), style))?
            .label(line.contestant.name())
            .legend(key);
        chart.draw_series(line.points.iter().map(|&point| Circle::new(point, 3, colour(line.contestant).filled())))?;
    }
    chart
        .configure_series_labels()
        .position(picture.names.clone())
        .background_style(WHITE.mix(0.8))
        .border_style(RGBColor(200, 200, 200))
        .draw()?;
    Ok(())
}

fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| (least.min(value), most.max(value)))
}

/// A number without trailing zeros in its decimals.
fn number(value: f64) -> String {
    if value >= 10.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}").trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::{report, results};
    use super::*;

    #[test]
    fn picture_has_a_line_for_each_contestant() {
        let pictures = pictures(&results()).expect("pictures");
        let [(file, svg)] = &pictures[..] else { panic!("{} pictures", pictures.len()) };
        assert_eq!(*file, "cpu-over-charge-points.svg");
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{svg}");
        assert!(svg.contains("floor") && svg.contains("gateway") && !svg.contains("node"), "{svg}");
    }

    #[test]
    fn memory_axis_starts_at_zero() {
        let mut results = results();
        for (point, x) in [("1000", 1000.0), ("5000", 5000.0)] {
            results.row(Scenario::Idle, point, x, Contestant::Gateway).add(report(1, 1));
        }
        let pictures = pictures(&results).expect("pictures");
        assert!(pictures.iter().any(|(file, _)| *file == "memory-over-connections.svg"));
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([0.5, 2.0, 1000.0].map(number), ["0.5", "2", "1000"]);
    }
}
