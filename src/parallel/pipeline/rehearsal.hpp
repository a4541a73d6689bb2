// The calls of all ranks on their communicators, carried out without ranks: a call begins once all its members have
// made it. Finds calls that wait for ever, messages that nobody receives, and members of one call that call different
// things.
#pragma once
#include <string>
#include <vector>

#include "parallel/grid.hpp"

namespace lact {

struct Letter {  // one message of an exchange
  int peer = 0;  // world rank
  bool send = false;
  std::string what;  // sender and receiver name the same thing
};

struct RankCall {
  enum Kind : std::uint8_t { compute, begin, finish, exchange } kind = compute;
  Axes along;        // begin, finish: the communicator of the rank's line along these axes
  std::string what;  // begin: what is summed, gathered ...; equal on all members. finish: what it waits for
  std::vector<Letter> letters = {};                 // exchange: all travel at once
  std::vector<std::string> takes = {}, makes = {};  // compute: values that it uses up and leaves behind
  double seconds = 0;                               // compute: its length; begin and exchange: that of the transfer
};
using RankCalls = std::vector<RankCall>;

struct Rehearsal {
  std::string fault;            // one sentence; empty when every call came to its end and every value was used
  double seconds = 0;           // of the slowest rank
  std::vector<double> working;  // seconds of compute of each rank
};
// An exchange travels beside the compute; the next one waits for its end, and a compute for the values that it takes.
// A letter sent is a value that the rank holds and gives away, a letter received is one that it then holds.
Rehearsal rehearse(const Grid& grid, const std::vector<RankCalls>& calls);

}  // namespace lact
