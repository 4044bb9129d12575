// Errors as values. Everything a caller can do something about comes back as a Result; a
// programmer's mistake is an assertion (assert.h).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "rejoin/crdt/assert.h"

namespace rejoin {

enum class ErrorCode {
  invalid_argument,     // the caller passed something that can never work
  not_found,            // the named thing does not exist here
  wrong_type,           // a value of another type was expected at this path
  out_of_range,         // an index or amount beyond its bound
  limit_exceeded,       // a stated limit (limits.h) would be passed
  malformed,            // bytes that do not parse or break a rule of their format
  unsupported_version,  // bytes written by a version this build does not know
  corrupt,              // bytes that were once good and fail their checksum
  io,                   // the operating system refused: the message has its words
  disk_full,            // no room left; nothing acknowledged is affected
  address_in_use,       // the endpoint is taken by another process
  timeout,              // the deadline passed; the message says how far it got
  closed,               // the node or space is shutting down
  busy,                 // a bounded queue is full, or another holds what is wanted; try again later
};

// Stable lower-case name of a code ("wrong_type"), for logs and tests.
std::string_view to_string(ErrorCode code);

// `message` is a sentence that says what happened and what to do; `where` names the path, file,
// line, key or peer concerned, and may be empty.
struct Error {
  ErrorCode code = ErrorCode::invalid_argument;
  std::string message;
  std::string where;

  // "wrong_type at /sessions/s1: ...": one line, for people.
  std::string to_string() const;
};

// Either a T or an Error. Accessing the side that is not there is a programmer error and aborts.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & {
    REJOIN_ASSERT(ok());
    return *std::get_if<0>(&state_);
  }
  const T& value() const& {
    REJOIN_ASSERT(ok());
    return *std::get_if<0>(&state_);
  }
  T&& value() && { return std::move(value()); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  Error& error() & {
    REJOIN_ASSERT(!ok());
    return *std::get_if<1>(&state_);
  }
  const Error& error() const& {
    REJOIN_ASSERT(!ok());
    return *std::get_if<1>(&state_);
  }
  Error&& error() && { return std::move(error()); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  Error& error() & {
    REJOIN_ASSERT(!ok());
    return *error_;
  }
  const Error& error() const& {
    REJOIN_ASSERT(!ok());
    return *error_;
  }
  Error&& error() && { return std::move(error()); }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

inline Error make_error(ErrorCode code, std::string message, std::string where = {}) {
  return Error{code, std::move(message), std::move(where)};
}

}  // namespace rejoin
