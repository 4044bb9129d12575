// Amounts as people read them.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

namespace rejoin::command {

inline std::string decimal_text(double number, const char* unit) {
  char text[48];
  std::snprintf(text, sizeof text, "%.1f%s", number, unit);
  return text;
}

inline std::string bytes_text(std::uint64_t bytes) {
  if (bytes < 10'000) return std::to_string(bytes) + " bytes";
  const double kilobytes = static_cast<double>(bytes) / 1000;
  return kilobytes < 10'000 ? decimal_text(kilobytes, " kB")
                            : decimal_text(kilobytes / 1000, " MB");
}

inline std::string duration_text(std::int64_t milliseconds) {
  if (milliseconds < 10'000) return std::to_string(milliseconds) + " ms";
  if (milliseconds < 600'000) return std::to_string(milliseconds / 1000) + " s";
  return std::to_string(milliseconds / 60'000) + " min";
}

// How many a second.
inline std::string rate_text(double rate) {
  if (rate <= 0) return "0";
  if (rate < 100) return decimal_text(rate, "");
  if (rate < 100'000) return std::to_string(static_cast<std::int64_t>(rate));
  return decimal_text(rate / 1000, "k");
}

}  // namespace rejoin::command
