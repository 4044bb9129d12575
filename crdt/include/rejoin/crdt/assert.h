// Assertions that stay on in release builds: a kernel that goes on with a broken invariant would
// spread the damage to every peer.
#pragma once

namespace rejoin {
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);
}  // namespace rejoin

#define REJOIN_ASSERT(expression)      \
  ((expression) ? static_cast<void>(0) \
                : ::rejoin::assertion_failed(#expression, __FILE__, __LINE__))
