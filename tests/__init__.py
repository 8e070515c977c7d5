"""The tests: units, the store on both engines, services and stand-ins on loopback, journeys of a member."""
