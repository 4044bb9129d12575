// How far forecasts are off on recorded use, for the table of forecast_error and for its test.
#pragma once

#include <zlib.h>

#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace rejoin::forecast_accuracy {

struct Request {
  std::chrono::sys_seconds at;
  std::int64_t tokens_in = 0;
  std::int64_t tokens_out = 0;
};

inline std::filesystem::path recorded_use() {
  const char* data = std::getenv("REJOIN_DATA");
  return std::filesystem::path(data != nullptr ? data : "../shared/data") / "llm-usage" /
         "azure-llm-conv-2023.csv.gz";
}

// The requests of a trace: lines of "2023-11-16 18:15:46.6805900,374,44" below a header. Empty when
// the file is not there or is something else.
inline std::vector<Request> read_requests(const std::filesystem::path& file) {
  std::vector<Request> requests;
  gzFile in = gzopen(file.c_str(), "rb");
  if (in == nullptr) return requests;
  char line[256];
  for (bool header = true; gzgets(in, line, sizeof line) != nullptr; header = false) {
    if (header) continue;
    int year = 0, month = 0, day = 0, hour = 0, minute = 0;
    double second = 0;
    long long tokens_in = 0, tokens_out = 0;
    if (std::sscanf(line, "%d-%d-%d %d:%d:%lf,%lld,%lld", &year, &month, &day, &hour, &minute,
                    &second, &tokens_in, &tokens_out) != 8) {
      requests.clear();
      break;
    }
    const std::chrono::sys_days date = std::chrono::year(year) / month / day;
    requests.push_back({date + std::chrono::hours(hour) + std::chrono::minutes(minute) +
                            std::chrono::seconds(static_cast<int>(second)),
                        tokens_in, tokens_out});
  }
  gzclose(in);
  return requests;
}

// The mean absolute error of forecasts from every origin that has `first` numbers before it and
// `horizon` behind it. Each sees what is before its origin alone.
template <class Forecast>
double rolling_error(std::span<const double> series, std::size_t first, std::size_t horizon,
                     Forecast forecast) {
  double sum = 0;
  std::size_t count = 0;
  for (std::size_t origin = first; origin + horizon <= series.size(); ++origin) {
    const std::vector<double> next = forecast(series.subspan(0, origin), horizon);
    for (std::size_t i = 0; i < horizon; ++i) {
      sum += std::abs(next[i] - series[origin + i]);
      ++count;
    }
  }
  return count == 0 ? 0 : sum / static_cast<double>(count);
}

inline std::vector<double> last_value(std::span<const double> past, std::size_t horizon) {
  return std::vector<double>(horizon, past.back());
}

}  // namespace rejoin::forecast_accuracy
