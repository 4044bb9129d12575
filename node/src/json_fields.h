// The fields of a JSON object that somebody sent.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "rejoin/crdt/path.h"
#include "rejoin/crdt/result.h"
#include "rejoin/crdt/value.h"

namespace rejoin::node {

// Takes the fields one by one. The first that is missing or of the wrong type is remembered, and
// later calls give empty values: take everything, then look at finish(). The object must outlive
// it.
class JsonFields {
 public:
  // `what` names the object in errors ("request", "operation 3").
  JsonFields(const nlohmann::json& object, std::string what);

  bool has(const char* key) const;
  std::string string(const char* key);
  std::string string(const char* key, const std::string& otherwise);
  std::int64_t integer(const char* key);
  std::int64_t integer(const char* key, std::int64_t otherwise);
  bool boolean(const char* key);
  bool boolean(const char* key, bool otherwise);
  Value value(const char* key);
  std::vector<Value> values(const char* key);  // an array
  // A path as Path::to_string writes it, `last` where its last step names no type. The second form:
  // the root when it is left out.
  Path path(const char* key, Type last);
  Path path_or_root(const char* key);
  // Any JSON; null when it is missing, which is an error.
  const nlohmann::json& any(const char* key);

  void fail(Error error);
  bool ok() const { return !error_; }
  // The first error; or, when there was none, a field that nobody took.
  Status finish();

 private:
  const nlohmann::json* find(const char* key, bool required);
  void wrong(const char* key, const char* expected);

  const nlohmann::json& object_;
  std::string what_;
  std::vector<std::string> taken_;
  std::optional<Error> error_;
};

}  // namespace rejoin::node
