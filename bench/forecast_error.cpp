// Prints how far forecasts of recorded use are off, beside the last value taken for the next ones:
//   build/release/bin/forecast_error [FILE]
// FILE is a trace of requests as in the recorded data, by default the one under REJOIN_DATA.
#include <chrono>
#include <cstdio>
#include <span>
#include <string>
#include <vector>

#include "forecast_accuracy.h"
#include "rejoin/crdt/agent/forecast.h"

namespace {

using namespace rejoin;
using forecast_accuracy::last_value;
using forecast_accuracy::Request;
using forecast_accuracy::rolling_error;

// Sums a bucket, of the whole buckets between the first request and the last.
std::vector<double> sums(const std::vector<Request>& requests, std::chrono::seconds width,
                         std::int64_t (*amount)(const Request&)) {
  const auto from = std::chrono::ceil<std::chrono::minutes>(requests.front().at);
  const auto to = std::chrono::floor<std::chrono::minutes>(requests.back().at);
  std::vector<double> series(static_cast<std::size_t>((to - from) / width), 0.0);
  for (const Request& request : requests) {
    if (request.at < from || request.at >= to) continue;
    series[static_cast<std::size_t>((request.at - from) / width)] +=
        static_cast<double>(amount(request));
  }
  return series;
}

// How much a step of the series says of the next one: -0.5 where numbers scatter around a level, 0
// where each begins anew from the last.
double autocorrelation_of_steps(const std::vector<double>& series) {
  std::vector<double> steps;
  for (std::size_t i = 1; i < series.size(); ++i) steps.push_back(series[i] - series[i - 1]);
  double mean = 0, own = 0, next = 0;
  for (const double step : steps) mean += step / static_cast<double>(steps.size());
  for (std::size_t i = 0; i < steps.size(); ++i) {
    own += (steps[i] - mean) * (steps[i] - mean);
    if (i > 0) next += (steps[i] - mean) * (steps[i - 1] - mean);
  }
  return own > 0 ? next / own : 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string file = argc > 1 ? argv[1] : forecast_accuracy::recorded_use().string();
  const std::vector<Request> requests = forecast_accuracy::read_requests(file);
  if (argc > 2 || requests.size() < 2) {
    std::fprintf(stderr, "forecast_error: no trace of requests: %s\n", file.c_str());
    return 1;
  }
  const auto by_forecast = [](std::span<const double> past, std::size_t horizon) {
    return agent::forecast(past, horizon);
  };
  struct Measure {
    const char* name;
    std::int64_t (*amount)(const Request&);
  };
  const Measure measures[] = {{"requests", [](const Request&) { return std::int64_t{1}; }},
                              {"tokens in", [](const Request& r) { return r.tokens_in; }},
                              {"tokens out", [](const Request& r) { return r.tokens_out; }}};
  std::printf(
      "| series | numbers | steps ahead | last value | forecast | ratio | autocorrelation |\n"
      "| --- | --- | --- | --- | --- | --- | --- |\n");
  const auto row = [](const std::string& name, std::size_t numbers, std::size_t horizon,
                      double last, double ours, double steps) {
    std::printf("| %s | %zu | %zu | %.1f | %.1f | %.3f | %.2f |\n", name.c_str(), numbers, horizon,
                last, ours, ours / last, steps);
  };
  constexpr std::size_t horizons[] = {1, 5, 10};
  for (const int width : {60, 10}) {
    for (const Measure& measure : measures) {
      const std::vector<double> series =
          sums(requests, std::chrono::seconds(width), measure.amount);
      for (const std::size_t horizon : horizons) {
        const std::size_t first = series.size() / 3;
        row(std::string(measure.name) + ", " + std::to_string(width) + " s", series.size(), horizon,
            rolling_error(series, first, horizon, last_value),
            rolling_error(series, first, horizon, by_forecast), autocorrelation_of_steps(series));
      }
    }
  }
  // The same minutes, from what is known of them more finely.
  for (const Measure& measure : measures) {
    const std::vector<double> minutes = sums(requests, std::chrono::minutes(1), measure.amount);
    const std::vector<double> tens = sums(requests, std::chrono::seconds(10), measure.amount);
    const auto from_tens = [&](std::span<const double> past, std::size_t horizon) {
      const std::vector<double> next =
          agent::forecast(std::span(tens).subspan(0, past.size() * 6), horizon * 6);
      std::vector<double> each(horizon, 0.0);
      for (std::size_t i = 0; i < next.size(); ++i) each[i / 6] += next[i];
      return each;
    };
    for (const std::size_t horizon : horizons) {
      const std::size_t first = minutes.size() / 3;
      row(std::string(measure.name) + ", 60 s from 10 s", minutes.size(), horizon,
          rolling_error(minutes, first, horizon, last_value),
          rolling_error(minutes, first, horizon, from_tens), autocorrelation_of_steps(tens));
    }
  }
  return 0;
}
