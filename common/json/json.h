// nlohmann::json for our code. Include this instead of the library's header: the members of the
// class are compiled once, in json.cc, and not again in every file that reads or writes JSON.
#pragma once

#include "nlohmann/json.hpp"

// The library's default class; spelled like this because aliases cannot be instantiated.
extern template class nlohmann::basic_json<>;
