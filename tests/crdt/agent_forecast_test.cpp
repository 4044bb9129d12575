#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "../../bench/forecast_accuracy.h"
#include "rejoin/crdt/agent/forecast.h"
#include "rejoin/crdt/agent/windowed_counter.h"
#include "rejoin/crdt/document.h"
#include "rejoin/crdt/transaction.h"

namespace rejoin::agent {
namespace {

using testing::DoubleNear;
using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;

template <class Number>
std::vector<double> series_of(std::size_t count, Number number) {
  std::vector<double> series;
  for (std::size_t i = 0; i < count; ++i) series.push_back(number(i));
  return series;
}

// The same scatter on every machine, between -1 and 1.
double scatter(std::size_t i) {
  std::uint64_t x = (i + 1) * 0x9E3779B97F4A7C15ull;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return static_cast<double>(x >> 11) / 4503599627370496.0 - 1;
}

TEST(Forecast, what_never_changed_stays) {
  for (const std::size_t count : {1, 2, 4, 5, 30}) {
    const std::vector<double> series(count, 42.0);
    EXPECT_THAT(forecast(series, 5), Each(42.0)) << count;
    EXPECT_THAT(forecast(series, 5, {.period = 3}), Each(42.0)) << count;
  }
  EXPECT_FALSE(fit_smoothing(std::vector<double>(30, 42.0)).has_trend);
}

TEST(Forecast, a_straight_line_goes_on) {
  for (const double by : {3.0, -3.0}) {
    const auto line = [&](std::size_t i) { return 500 + by * static_cast<double>(i); };
    const std::vector<double> next = forecast(series_of(20, line), 10);
    for (std::size_t i = 0; i < next.size(); ++i) EXPECT_NEAR(next[i], line(20 + i), 1e-6);
  }
}

TEST(Forecast, a_season_repeats_and_with_it_a_trend_below) {
  const auto weekly = [](std::size_t i) { return i % 7 < 5 ? 100.0 : 10.0; };
  const std::vector<double> next = forecast(series_of(28, weekly), 14, {.period = 7});
  for (std::size_t i = 0; i < next.size(); ++i) EXPECT_NEAR(next[i], weekly(28 + i), 1e-6);

  const auto growing = [&](std::size_t i) { return weekly(i) + 2.0 * static_cast<double>(i); };
  const std::vector<double> up = forecast(series_of(35, growing), 14, {.period = 7});
  for (std::size_t i = 0; i < up.size(); ++i) EXPECT_NEAR(up[i], growing(35 + i), 1e-6);

  // Without being told of it, or with less than two of it, there is none.
  EXPECT_LT(fit_smoothing(series_of(28, weekly)).period, 2u);
  EXPECT_LT(fit_smoothing(series_of(13, weekly), 7).period, 2u);
  EXPECT_EQ(fit_smoothing(series_of(28, weekly), 7).period, 7u);
}

TEST(Forecast, numbers_that_scatter_around_a_level_are_forecast_by_it) {
  const auto noisy = [](std::size_t i) { return 1000 + 100 * scatter(i); };
  const std::vector<double> series = series_of(200, noisy);
  const Smoothing smoothing = fit_smoothing(series);
  EXPECT_FALSE(smoothing.has_trend);
  EXPECT_LE(smoothing.level, 0.1);
  EXPECT_THAT(forecast(series, 3), Each(DoubleNear(1000, 25)));
}

TEST(Forecast, numbers_that_each_begin_from_the_last_are_forecast_by_the_last) {
  double at = 1000;
  const std::vector<double> series =
      series_of(200, [&](std::size_t i) { return at += 10 * scatter(i); });
  EXPECT_GE(fit_smoothing(series).level, 0.8);
  EXPECT_THAT(forecast(series, 3), Each(DoubleNear(series.back(), 10)));
}

// Twenty numbers of a walk nearly always look as if they followed something.
TEST(Forecast, a_short_walk_is_not_taken_for_more_than_it_is) {
  int by_last = 0;
  int by_trend = 0;
  for (std::size_t walk = 0; walk < 200; ++walk) {
    double at = 1000;
    const Smoothing smoothing = fit_smoothing(
        series_of(20, [&](std::size_t i) { return at += 10 * scatter(1000 * walk + i); }));
    by_last += smoothing == Smoothing{} ? 1 : 0;
    by_trend += smoothing.has_trend ? 1 : 0;
  }
  EXPECT_GE(by_last, 140);
  EXPECT_LE(by_trend, 20);
}

TEST(Forecast, use_is_never_below_zero) {
  const std::vector<double> falling =
      series_of(20, [](std::size_t i) { return 40.0 - 2 * static_cast<double>(i); });
  EXPECT_THAT(forecast(falling, 3), ElementsAre(DoubleNear(0, 1e-9), 0.0, 0.0));
  EXPECT_NEAR(forecast(falling, 3, {.non_negative = false})[2], -4, 1e-6);
}

TEST(Forecast, short_series_go_on_with_the_last_number_and_empty_ones_with_nothing) {
  EXPECT_THAT(forecast(std::vector<double>{}, 3), ElementsAre(0.0, 0.0, 0.0));
  EXPECT_THAT(forecast(std::vector<double>{1, 9, 4}, 2), ElementsAre(4.0, 4.0));
  EXPECT_THAT(forecast(std::vector<double>{1, 9, 4}, 0), IsEmpty());
  EXPECT_THAT(forecast(std::vector<double>{1, 9, 4, 4}, 2, {.period = 2}), ElementsAre(4.0, 4.0));
}

TEST(Forecast, a_given_smoothing_is_used_as_it_is) {
  const std::vector<std::int64_t> series{10, 20, 10, 20, 10, 20};
  Smoothing half;
  half.level = 0.5;
  // From the mean of 15 half way to each number: 12.5, 16.25, 13.125, ...
  EXPECT_THAT(forecast(series, 2, {.smoothing = half}), Each(DoubleNear(16.640625, 1e-12)));
  Smoothing trend{.level = 1, .trend = 1, .damping = 0.5, .has_trend = true};
  // The last step is -20 from a trend: what is left of it halves each time.
  const std::vector<double> up =
      forecast(std::vector<double>{0, 0, 0, 0, 0, 8}, 3, {.smoothing = trend});
  EXPECT_NEAR(up[1] - up[0], (up[0] - 8) / 2, 1e-9);
  EXPECT_NEAR(up[2] - up[1], (up[0] - 8) / 4, 1e-9);
}

TEST(Forecast, large_and_tiny_numbers_are_fitted_like_others) {
  constexpr double large = 9e18;
  EXPECT_THAT(forecast(std::vector<double>(20, large), 2), Each(large));
  EXPECT_THAT(forecast(std::vector<double>(20, 0.0), 2), Each(0.0));
  const std::vector<std::int64_t> most(20, std::numeric_limits<std::int64_t>::max());
  EXPECT_THAT(forecast(most, 2), Each(9223372036854775807.0));
}

// ---- Recorded use: docs/benchmarks.md has the whole table ----

TEST(Forecast, recorded_use_is_forecast_as_well_as_by_its_last_value_or_better) {
  const auto file = forecast_accuracy::recorded_use();
  if (!std::filesystem::exists(file)) {
    GTEST_SKIP() << "the recorded use is not there: " << file
                 << "; set REJOIN_DATA to the folder that holds it";
  }
  const auto requests = forecast_accuracy::read_requests(file);
  ASSERT_EQ(requests.size(), 19'366u);
  // As an application counts them.
  Document document(ReplicaId::from_words(1, 2));
  Transaction transaction = document.begin({HybridTime{1}, "", ""});
  std::int64_t all = 0;
  for (const auto& request : requests) {
    WindowedCounterRef in(transaction.root().map("in"));
    WindowedCounterRef out(transaction.root().map("out"));
    ASSERT_TRUE(in.add(request.tokens_in, request.at).ok());
    ASSERT_TRUE(out.add(request.tokens_out, request.at).ok());
    all += request.tokens_in;
  }
  transaction.commit();
  const auto from = requests.front().at + std::chrono::minutes(1);  // without the first part of one
  const auto to = requests.back().at;
  const auto day =
      WindowedCounterView(document.root().map("in")).value(Granularity::day, requests.front().at);
  EXPECT_EQ(day.value(), all);
  const auto ratio = [&](const char* name) {
    const auto numbers = WindowedCounterView(document.root().map(name))
                             .series(Granularity::minute, from, to)
                             .value();
    EXPECT_EQ(numbers.size(), 58u);
    const std::vector<double> series(numbers.begin(), numbers.end());
    const auto ours = [](std::span<const double> past, std::size_t horizon) {
      return forecast(past, horizon);
    };
    return forecast_accuracy::rolling_error(series, 19, 5, ours) /
           forecast_accuracy::rolling_error(series, 19, 5, forecast_accuracy::last_value);
  };
  EXPECT_LT(ratio("in"), 1.03);   // it begins anew from the last value each minute
  EXPECT_LT(ratio("out"), 0.95);  // it scatters around a level
}

}  // namespace
}  // namespace rejoin::agent
