#include "rejoin/crdt/result.h"

#include "rejoin/crdt/assert.h"

namespace rejoin {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument:
      return "invalid_argument";
    case ErrorCode::not_found:
      return "not_found";
    case ErrorCode::wrong_type:
      return "wrong_type";
    case ErrorCode::out_of_range:
      return "out_of_range";
    case ErrorCode::limit_exceeded:
      return "limit_exceeded";
    case ErrorCode::malformed:
      return "malformed";
    case ErrorCode::unsupported_version:
      return "unsupported_version";
    case ErrorCode::corrupt:
      return "corrupt";
    case ErrorCode::io:
      return "io";
    case ErrorCode::disk_full:
      return "disk_full";
    case ErrorCode::address_in_use:
      return "address_in_use";
    case ErrorCode::timeout:
      return "timeout";
    case ErrorCode::closed:
      return "closed";
    case ErrorCode::busy:
      return "busy";
  }
  assertion_failed("known error code", __FILE__, __LINE__);
}

std::string Error::to_string() const {
  std::string text(rejoin::to_string(code));
  if (!where.empty()) text.append(" at ").append(where);
  return text.append(": ").append(message);
}

}  // namespace rejoin
