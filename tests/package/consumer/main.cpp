// Includes what an application includes, and links.
#include <rejoin/rejoin.h>

int main() {
  rejoin::StateHash sum{1, 0};
  sum -= rejoin::StateHash{1, 0};
  return sum == rejoin::StateHash{} ? 0 : 1;
}
