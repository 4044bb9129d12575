#include "rejoin/crdt/assert.h"

#include <cstdio>
#include <cstdlib>

namespace rejoin {

void assertion_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "rejoin: internal error: assertion `%s` failed at %s:%d\n", expression, file,
               line);
  std::fflush(stderr);
  std::abort();
}

}  // namespace rejoin
