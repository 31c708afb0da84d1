#include <stdio.h>
#include <stdlib.h>
#include "primes.h"

int main(int count, char **arguments) {
  int below = count > 1 ? atoi(arguments[1]) : 100;
  int found = 0;
  long sum = 0;
  for (int number = 2; number < below; number++) {
    if (!is_prime(number)) continue;
    found++;
    sum += number;
  }
  printf("the %d primes below %d add up to %ld\n", found, below, sum);
  return 0;
}
