// What a series of use per bucket is likely to go on with: exponential smoothing.
//
//   const auto past = use.series(Granularity::hour, now - 14 * 24h, now);
//   const auto next = forecast(*past, 6, {.period = 24});   // the next six hours
//
// A pure function of its arguments: replicas that read the same series forecast the same. It says
// nothing of how sure it is; docs/benchmarks.md has its error on recorded use, beside that of
// taking the last number for the next ones.
//
// The method is Holt and Winters' with a damped trend and an additive season (Hyndman, Koehler,
// Ord, Snyder: "Forecasting with Exponential Smoothing", 2008): a level, a trend and a place in the
// season each follow the error of the forecast one step ahead, by a share of it. How large the
// shares are is found by the errors that they would have made so far.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace rejoin::agent {

// How quickly a forecast follows what it reads. All shares are from 0 to 1; `level` and `damping`
// are above 0.
struct Smoothing {
  double level = 1;  // share of an error that moves the level; with 1 and no more: the last number
  double trend = 0;  // share of that which moves the trend
  double damping = 0.9;  // what is left of the trend one step on
  double season =
      0;  // share of what the level leaves of an error that moves the place in the season
  std::size_t period = 0;  // numbers in a season; 0 or 1: there is none
  bool has_trend = false;  // else the level stays where it is
  friend bool operator==(const Smoothing&, const Smoothing&) = default;
};

struct ForecastOptions {
  // Numbers in a season, such as 24 where they are hours and days resemble each other. 0: no
  // season. Of no effect on a series shorter than two seasons.
  std::size_t period = 0;
  // Fitted to the series where it is not given.
  std::optional<Smoothing> smoothing = {};
  bool non_negative = true;  // use never is
};

// The smoothing with the least squared error one step ahead, weighed against how much it takes to
// say it (Akaike's criterion, corrected for short series): of the last number, a level, a level
// with a trend, with a season, or with both. Deterministic: a grid, then smaller and smaller steps.
// Fewer than five numbers say too little: the last one stands for what follows. O(series · some
// 2,000) with a season, a fifth of it without. All numbers must be finite (asserted).
Smoothing fit_smoothing(std::span<const double> series, std::size_t period = 0);

// `horizon` numbers that go on with the series. After an empty one: zeros. The shares of a given
// smoothing must be within their bounds (asserted).
std::vector<double> forecast(std::span<const double> series, std::size_t horizon,
                             const ForecastOptions& options = {});
std::vector<double> forecast(std::span<const std::int64_t> series, std::size_t horizon,
                             const ForecastOptions& options = {});

}  // namespace rejoin::agent
