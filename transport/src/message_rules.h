// What must hold of every message, whichever way it goes: encode() asserts it, decode() refuses
// what breaks it.
#pragma once

#include "rejoin/transport/message.h"

namespace rejoin::transport {

// The rule that `message` breaks, as a sentence without its subject ("names no space"), or null.
const char* broken_rule(const Message& message);

}  // namespace rejoin::transport
