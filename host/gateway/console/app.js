document.body.textContent = "OCPP gateway";
