#include "demo/report/picture.h"

#include <algorithm>
#include <array>
#include <iomanip>
#include <sstream>

#include "page/page.h"

namespace rejoin::demo {
namespace {

// The drawing's measures, in pixels.
constexpr double left = 110;
constexpr double right = 20;
constexpr double width = 1100;
constexpr double top = 34;
constexpr double panel = 100;
constexpr double gap = 24;
constexpr double bottom = 44;
constexpr double height = top + region_count * (panel + gap) + bottom;

using command::escaped;

class Picture {
 public:
  explicit Picture(const Story& story) : story_(story), seconds_(std::max(story.end, 0.001)) {
    out_ << std::fixed << std::setprecision(1);
  }

  std::string draw() {
    out_ << "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " << width << " " << height
         << "\" data-left=\"" << left << "\" data-right=\"" << width - right << "\" data-seconds=\""
         << std::setprecision(3) << seconds_ << std::setprecision(1)
         << "\" role=\"img\" aria-label=\"Turns known to each node over time\">\n"
         << "<defs><pattern id=\"cut\" width=\"8\" height=\"8\" patternTransform=\"rotate(45)\" "
            "patternUnits=\"userSpaceOnUse\"><rect width=\"8\" height=\"8\" fill=\"#8881\"/>"
            "<line x1=\"0\" y1=\"0\" x2=\"0\" y2=\"8\" stroke=\"#8886\" stroke-width=\"3\"/>"
            "</pattern></defs>\n";
    for (std::size_t i = 0; i < region_count; ++i) draw_panel(static_cast<Region>(i));
    draw_moments();
    draw_axis();
    out_ << "</svg>\n";
    return out_.str();
  }

 private:
  double x(double seconds) const {
    return left + (width - left - right) * std::clamp(seconds / seconds_, 0.0, 1.0);
  }
  double base(Region region) const {
    return top + static_cast<double>(region) * (panel + gap) + panel;
  }
  double y(Region region, std::size_t turns) const {
    const double all = static_cast<double>(std::max<std::size_t>(story_.turns, 1));
    return base(region) - panel * static_cast<double>(turns) / all;
  }

  void text(double at_x, double at_y, std::string_view css, std::string_view words) {
    out_ << "<text x=\"" << at_x << "\" y=\"" << at_y << "\" class=\"" << css << "\">"
         << escaped(words) << "</text>\n";
  }

  void draw_panel(Region region) {
    out_ << "<rect x=\"" << left << "\" y=\"" << base(region) - panel << "\" width=\""
         << width - left - right << "\" height=\"" << panel << "\" class=\"panel\" data-node=\""
         << +region << "\"/>\n";
    text(left - 10, base(region) - panel / 2 - 4, "name", region_names[region]);
    text(left - 10, base(region) - panel + 10, "tick", std::to_string(story_.turns));
    text(left - 10, base(region), "tick", "0");
    // Where the node was away nothing is drawn: it knew nothing that could be asked.
    std::vector<Knowledge> run;
    for (const Knowledge& at : knowledge_of(story_, region)) {
      if (!run.empty() && was_killed_between(region, run.back().seconds, at.seconds)) {
        draw_areas(region, run);
        run.clear();
      }
      run.push_back(at);
    }
    draw_areas(region, run);
    draw_written(region);
    for (const Interval& interval : story_.intervals) {
      if (interval.region == region) draw_interval(interval);
    }
  }

  bool was_killed_between(Region region, double from, double to) const {
    return std::ranges::any_of(story_.intervals, [&](const Interval& interval) {
      return interval.kind == Interval::Kind::killed && interval.region == region &&
             interval.from <= to && interval.to >= from;
    });
  }

  // One area a region of origin, one upon the other.
  void draw_areas(Region region, const std::vector<Knowledge>& run) {
    if (run.size() < 2) return;
    for (std::size_t origin = 0; origin < region_count; ++origin) {
      const auto up_to = [&](const Knowledge& at, std::size_t end) {
        std::size_t sum = 0;
        for (std::size_t i = 0; i < end; ++i) sum += at.turns[i];
        return y(region, sum);
      };
      out_ << "<path fill=\"" << node_colours[origin] << "\" d=\"M" << x(run.front().seconds) << ","
           << up_to(run.front(), origin + 1);
      for (const Knowledge& at : run) out_ << "H" << x(at.seconds) << "V" << up_to(at, origin + 1);
      for (auto at = run.rbegin(); at != run.rend(); ++at) {
        out_ << "V" << up_to(*at, origin) << "H" << x(at->seconds);
      }
      out_ << "Z\"/>\n";
    }
  }

  // What was written anywhere: the distance down to the areas is what this node did not know.
  void draw_written(Region region) {
    const std::vector<double> times = turn_times(story_);
    out_ << "<path class=\"written\" d=\"M" << x(0) << "," << y(region, 0);
    double drawn_at = -1;
    for (std::size_t i = 0; i < times.size(); ++i) {
      const double at = x(times[i]);
      if (at - drawn_at < 1 && i + 1 < times.size()) continue;  // no more than one a pixel
      drawn_at = at;
      out_ << "L" << at << "," << y(region, i + 1);
    }
    out_ << "H" << x(seconds_) << "\"/>\n";
  }

  void draw_interval(const Interval& interval) {
    const bool cut = interval.kind == Interval::Kind::cut_off;
    const double from = x(interval.from);
    const double to = std::max(x(interval.to), from + 2);
    out_ << "<rect x=\"" << from << "\" y=\"" << base(interval.region) - panel << "\" width=\""
         << to - from << "\" height=\"" << panel << "\" fill=\""
         << (cut ? "url(#cut)" : "#d6404033") << "\"/>\n";
    text(from + 5, base(interval.region) - panel + 14, "note", cut ? "cut off" : "killed with -9");
  }

  void draw_moments() {
    std::vector<std::pair<double, std::string_view>> moments;
    for (const Interval& interval : story_.intervals) {
      const bool cut = interval.kind == Interval::Kind::cut_off;
      moments.emplace_back(interval.from, cut ? "cut" : "kill");
      moments.emplace_back(interval.to, cut ? "heal" : "restart");
    }
    if (story_.agreed > 0) moments.emplace_back(story_.agreed, "agreed");
    std::ranges::sort(moments);
    double last_label = -100;
    for (const auto& [seconds, label] : moments) {
      const double at = x(seconds);
      const bool crowded = at - last_label < 50;  // then the label goes below the last one
      out_ << "<line x1=\"" << at << "\" x2=\"" << at << "\" y1=\"" << top - 8 << "\" y2=\""
           << height - bottom << "\" class=\"moment\"/>\n";
      text(at, crowded ? top + panel + gap / 2 + 4 : top - 12, "moment-label", label);
      last_label = crowded ? -100 : at;
    }
  }

  void draw_axis() {
    const double wanted = seconds_ / 10;  // about ten ticks, at round numbers
    double step = 0.1;
    for (double candidate : {0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 120.0, 600.0}) {
      if (step >= wanted) break;
      step = candidate;
    }
    for (double at = 0; at <= seconds_; at += step) {
      std::ostringstream label;
      label << at << " s";
      text(x(at), height - bottom + 16, "tick-x", label.str());
    }
  }

  const Story& story_;
  const double seconds_;
  std::ostringstream out_;
};

}  // namespace

std::string draw_picture(const Story& story) { return Picture(story).draw(); }

}  // namespace rejoin::demo
