#include "primes.h"

int is_prime(int number) {
  for (int divisor = 2; divisor * divisor <= number; divisor++)
    if (number % divisor == 0) return 0;
  return number > 1;
}
