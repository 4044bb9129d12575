// A subtree as JSON, for people and other programs.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "rejoin/crdt/document.h"
#include "rejoin/crdt/transaction.h"

namespace rejoin {

// Maps become objects (keys sorted), lists and sets arrays (sets in Value order), registers their
// value, multi-value registers an array of all siblings in Value order, counters numbers, flags
// booleans. Of several children under one name the one with the smallest Type number is shown. Bytes
// become {"$bytes": "<base64>"}, doubles that JSON cannot express {"$double": "nan" | "inf" |
// "-inf"}. Equal states give equal text. `not_found` when nothing is at the path.
Result<nlohmann::json> to_json(const Document& document, const Path& path = {});

// Makes the map at `path` (whose steps are maps) say what `json` says, writing only what differs: objects as maps, arrays as
// lists, scalars as registers; names that `json` lacks are removed, whatever their type, when
// `remove_missing`. The inverse of to_json up to types. `wrong_type` when `json` is no object;
// `out_of_range` for unsigned integers beyond int64.
Status from_json(Transaction& transaction, const Path& path, const nlohmann::json& json,
                 bool remove_missing = true);

}  // namespace rejoin
