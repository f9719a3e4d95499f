"""Pages for regulators, exporters and the public: HTML that needs no script. They lay out what the reports say."""
