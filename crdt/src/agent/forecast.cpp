#include "rejoin/crdt/agent/forecast.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "rejoin/crdt/assert.h"

namespace rejoin::agent {
namespace {

using Series = std::span<const double>;

constexpr std::size_t series_min = 5;  // below it nothing is fitted

struct State {
  double level = 0;
  double trend = 0;
  std::vector<double> season;  // by place in the season; empty when there is none
  std::size_t place = 0;       // of the next number
};

bool has_season(const Smoothing& smoothing, std::size_t count) {
  return smoothing.period > 1 && count / 2 >= smoothing.period;
}

double mean(Series numbers) {
  double sum = 0;
  for (const double number : numbers) sum += number;
  return sum / static_cast<double>(numbers.size());
}

// The slope of the line through them with the least squared distance.
double slope(Series numbers) {
  const double middle = static_cast<double>(numbers.size() - 1) / 2;
  const double average = mean(numbers);
  double up = 0;
  double across = 0;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const double x = static_cast<double>(i) - middle;
    up += x * (numbers[i] - average);
    across += x * x;
  }
  return across > 0 ? up / across : 0;
}

// How many of the first numbers say where the forms without a season start from. Errors count from
// there on alone, so that no form is better for having been told what it is then measured by.
std::size_t start_count(std::size_t count) {
  return std::min(count, std::clamp<std::size_t>(count / 4, 2, 10));
}

// Before the first number: from the first two seasons, or the first few numbers.
State start(Series series, const Smoothing& smoothing) {
  State state;
  if (has_season(smoothing, series.size())) {
    const std::size_t period = smoothing.period;
    const double first = mean(series.subspan(0, period));
    const double second = mean(series.subspan(period, period));
    if (smoothing.has_trend) state.trend = (second - first) / static_cast<double>(period);
    const double middle = static_cast<double>(period - 1) / 2;
    for (std::size_t i = 0; i < period; ++i) {
      const double along = state.trend * (static_cast<double>(i) - middle);
      state.season.push_back((series[i] - first - along + series[period + i] - second - along) / 2);
    }
    state.level = first - state.trend * (middle + 1);
    return state;
  }
  const Series first = series.subspan(0, start_count(series.size()));
  if (smoothing.has_trend) state.trend = slope(first);
  state.level = mean(first) - state.trend * (static_cast<double>(first.size() + 1) / 2);
  return state;
}

// Reads the series; returns the squared errors of the forecasts one step ahead, summed.
double follow(Series series, const Smoothing& smoothing, State& state) {
  double squares = 0;
  std::size_t uncounted = start_count(series.size());
  for (const double number : series) {
    const double trend = smoothing.has_trend ? smoothing.damping * state.trend : 0;
    const bool seasonal = !state.season.empty();
    const double expected = state.level + trend + (seasonal ? state.season[state.place] : 0);
    const double error = number - expected;
    if (uncounted > 0) {
      --uncounted;
    } else {
      squares += error * error;
    }
    state.level += trend + smoothing.level * error;
    state.trend = trend + smoothing.level * smoothing.trend * error;
    if (seasonal) {
      state.season[state.place] += smoothing.season * (1 - smoothing.level) * error;
      state.place = (state.place + 1) % state.season.size();
    }
  }
  return squares;
}

double error_of(Series series, const Smoothing& smoothing) {
  State state = start(series, smoothing);
  return follow(series, smoothing, state);
}

struct Fit {
  Smoothing smoothing;
  double squares = std::numeric_limits<double>::infinity();
  void try_out(Series series, const Smoothing& candidate) {
    const double error = error_of(series, candidate);
    if (error >= squares) return;
    squares = error;
    smoothing = candidate;
  }
};

// The best of one form: a coarse grid, then each share alone by smaller and smaller steps.
Fit fit_form(Series series, bool trend, std::size_t period) {
  static constexpr double levels[] = {0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1};
  static constexpr double trends[] = {0, 0.05, 0.1, 0.2, 0.4, 0.7};
  static constexpr double dampings[] = {0.8, 0.9, 0.98, 1};
  static constexpr double seasons[] = {0, 0.05, 0.1, 0.2, 0.4, 0.7};
  static constexpr double nothing[] = {0};
  static constexpr double no_damping[] = {Smoothing{}.damping};
  using Grid = std::span<const double>;
  const bool seasonal = period > 1;
  Fit best;
  Smoothing candidate;
  candidate.has_trend = trend;
  candidate.period = seasonal ? period : 0;
  for (const double level : levels) {
    candidate.level = level;
    for (const double share : trend ? Grid(trends) : Grid(nothing)) {
      candidate.trend = share;
      for (const double damping : trend ? Grid(dampings) : Grid(no_damping)) {
        candidate.damping = damping;
        for (const double season : seasonal ? Grid(seasons) : Grid(nothing)) {
          candidate.season = season;
          best.try_out(series, candidate);
        }
      }
    }
  }
  for (double step = 0.05; step > 0.004; step /= 2) {
    const auto move = [&](double Smoothing::*share, double least, double most) {
      for (const double by : {-step, step}) {
        Smoothing moved = best.smoothing;
        moved.*share = std::clamp(moved.*share + by, least, most);
        best.try_out(series, moved);
      }
    };
    move(&Smoothing::level, 0.01, 1);
    if (trend) move(&Smoothing::trend, 0, 1);
    if (trend) move(&Smoothing::damping, 0.7, 1);
    if (seasonal) move(&Smoothing::season, 0, 1);
  }
  return best;
}

}  // namespace

Smoothing fit_smoothing(Series series, std::size_t period) {
  for (const double number : series) REJOIN_ASSERT(std::isfinite(number));
  if (series.size() < series_min) return {};
  const auto count = static_cast<double>(series.size() - start_count(series.size()));
  // Errors too small to tell from rounding count as none.
  double scale = 0;
  for (const double number : series) scale = std::max(scale, std::abs(number));
  const double least = std::max(scale * scale * 1e-18, std::numeric_limits<double>::min());
  Fit chosen;
  double lowest = std::numeric_limits<double>::infinity();
  // `known`: how much the form was told of the numbers, the scatter of its errors included.
  const auto weigh = [&](const Fit& fit, double known) {
    if (count - known - 1 <= 0) return;
    const double criterion = count * std::log(std::max(fit.squares / count, least)) + 2 * known +
                             2 * known * (known + 1) / (count - known - 1);
    if (criterion >= lowest) return;
    lowest = criterion;
    chosen = fit;
  };
  Fit last_number;
  last_number.try_out(series, {});
  weigh(last_number, 1);
  for (const bool seasonal : {false, true}) {
    if (seasonal && (period < 2 || series.size() / 2 < period)) continue;
    for (const bool trend : {false, true}) {
      // A season's start counts, since the errors go over what it was taken from.
      const double known = 2 + (trend ? 2 : 0) + (seasonal ? static_cast<double>(period) + 1 : 0);
      weigh(fit_form(series, trend, seasonal ? period : 0), known);
    }
  }
  return chosen.smoothing;
}

std::vector<double> forecast(Series series, std::size_t horizon, const ForecastOptions& options) {
  std::vector<double> next(horizon, 0.0);
  if (series.empty()) return next;
  const Smoothing smoothing =
      options.smoothing ? *options.smoothing : fit_smoothing(series, options.period);
  const auto is_share = [](double share) { return share >= 0 && share <= 1; };
  REJOIN_ASSERT(is_share(smoothing.level) && smoothing.level > 0 && is_share(smoothing.trend) &&
                is_share(smoothing.season) && is_share(smoothing.damping) && smoothing.damping > 0);
  State state = start(series, smoothing);
  follow(series, smoothing, state);
  double ahead = state.level;
  double trend = smoothing.has_trend ? state.trend : 0;
  for (double& number : next) {
    trend *= smoothing.damping;
    ahead += trend;
    number = ahead;
    if (!state.season.empty()) {
      number += state.season[state.place];
      state.place = (state.place + 1) % state.season.size();
    }
    if (options.non_negative) number = std::max(number, 0.0);
  }
  return next;
}

std::vector<double> forecast(std::span<const std::int64_t> series, std::size_t horizon,
                             const ForecastOptions& options) {
  std::vector<double> numbers;
  numbers.reserve(series.size());
  for (const std::int64_t number : series) numbers.push_back(static_cast<double>(number));
  return forecast(Series(numbers), horizon, options);
}

}  // namespace rejoin::agent
